#include "retrace/core/run.hpp"

#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("a preview stores nothing and otherwise equals the run") {
  static_assert(preview(training) == Run{Statistics::batch, true, false});
  static_assert(preview(inference) == inference);
  static_assert(preview(preview(training)) == preview(training));
}

TEST_CASE("a replay reuses the statistics and counts nothing twice") {
  static_assert(replay(training) == Run{Statistics::recorded, false, true});
  static_assert(replay(preview(training)) == replay(training));
  static_assert(replay(replay(training)) == replay(training));
  static_assert(replay(inference) == Run{Statistics::running, false, true});
  static_assert(preview(replay(training)) == Run{Statistics::recorded, false, false});
}

TEST_CASE("neither changes whether the input must be reconstructed") {
  constexpr Run careless{Statistics::batch, true, true, false};
  static_assert(training.restore && inference.restore);
  static_assert(!preview(careless).restore && !replay(careless).restore);
  CHECK(replay(careless) != replay(training));
}
