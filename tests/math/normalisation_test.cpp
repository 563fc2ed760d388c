#include "retrace/math/normalisation.hpp"

#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("an invertible scale is |gamma| + floor and never 0") {
  constexpr math::ScaleRule positive{true, 0.125}, plain{false, 0.125};
  static_assert(positive.scale(0.5) == 0.625 && positive.scale(-0.5) == 0.625);
  static_assert(positive.scale(0.0) == 0.125 && positive.scale(-0.125) == 0.25);
  static_assert(positive.derivative(0.5) == 1 && positive.derivative(-0.5) == -1);
  static_assert(positive.derivative(0.0) == 1);  // sign(0) = 1
  static_assert(plain.scale(-0.5) == -0.5 && plain.derivative(-0.5) == 1);
  CHECK(positive.scale(-0.5f) == 0.625f);
}

TEST_CASE("deviations and running averages") {
  CHECK(math::inverse_deviation(3.75, 0.25) == 0.5);
  static_assert(math::moved_towards(1, 3, 0.25) == 1.5);
}
