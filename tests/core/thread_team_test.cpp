#include "retrace/core/thread_team.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "support/catch.hpp"

using namespace retrace;

namespace {

/// Waits until `ready` returns true.
void wait_until(const std::function<bool()>& ready) {
  while (!ready()) std::this_thread::yield();
}

}  // namespace

TEST_CASE("every piece runs once, and a thread runs one piece at a time") {
  for (int threads : {1, 2, 3, 8}) {
    ThreadTeam team(threads);
    CHECK(team.threads() == threads);
    for (Index pieces : {0, 1, 2, 7, 100, 1000}) {
      CAPTURE(threads, pieces);
      std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces));
      std::vector<std::atomic<int>> at_work(static_cast<std::size_t>(threads));
      std::atomic<bool> alone = true;
      CHECK(team.try_run(pieces, [&](Index piece, int thread) {
        if (at_work.at(static_cast<std::size_t>(thread))++ != 0) alone = false;
        ++runs.at(static_cast<std::size_t>(piece));
        --at_work.at(static_cast<std::size_t>(thread));
      }));
      CHECK(alone);
      for (const auto& each : runs) CHECK(each == 1);
    }
  }
}

TEST_CASE("a team has one thread per processor by default") {
  CHECK(ThreadTeam::processors() >= 1);
  CHECK(ThreadTeam().threads() == ThreadTeam::processors());
}

TEST_CASE("other threads take over the pieces of a delayed thread") {
  for (Index held_up : {0, 5, 9}) {
    CAPTURE(held_up);
    ThreadTeam team(2);
    std::atomic<int> done = 0;
    team.try_run(10, [&](Index piece, int) {
      if (piece == held_up) wait_until([&] { return done == 9; });
      ++done;
    });
    CHECK(done == 10);
  }
}

TEST_CASE("sleeping threads wake up, and teams can be destroyed in any state") {
  for (int calls : {0, 1, 3}) {
    ThreadTeam team(3);
    for (int call = 0; call < calls; ++call) {
      // Only all three threads together get through these pieces.
      std::atomic<int> arrived = 0;
      team.try_run(3, [&](Index, int) {
        ++arrived;
        wait_until([&] { return arrived == 3; });
      });
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
}

TEST_CASE("one piece runs on the calling thread") {
  ThreadTeam team(3);
  std::thread::id where;
  team.try_run(1, [&](Index, int thread) {
    CHECK(thread == 0);
    where = std::this_thread::get_id();
  });
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("many small calls in direct succession") {
  ThreadTeam team(3);
  std::array<int, 3> counts{};  // a data race if a call returns before its pieces are done
  constexpr int calls = 5000;
  for (int call = 0; call < calls; ++call)
    team.try_run(3, [&](Index piece, int) { ++counts.at(static_cast<std::size_t>(piece)); });
  CHECK(counts == std::array<int, 3>{calls, calls, calls});
}

TEST_CASE("an exception of a piece reaches the caller") {
  ThreadTeam team(3);
  for (Index thrower : {0, 4, 8}) {
    CAPTURE(thrower);
    CHECK_THROWS_AS(team.try_run(9,
                                 [&](Index piece, int) {
                                   if (piece == thrower) throw std::domain_error("of one");
                                 }),
                    std::domain_error);
    CHECK_THROWS_AS(team.try_run(9, [](Index, int) { throw std::range_error("of all"); }),
                    std::range_error);
    CHECK_THROWS_AS(team.try_run(1, [](Index, int) { throw std::range_error("alone"); }),
                    std::range_error);
    std::atomic<int> done = 0;
    CHECK(team.try_run(9, [&](Index, int) { ++done; }));
    CHECK(done == 9);
  }
}

TEST_CASE("a call from within a piece runs on the piece's thread") {
  ThreadTeam team(3), other(2);
  std::atomic<bool> same = true;
  std::atomic<int> inner = 0;
  team.try_run(20, [&](Index, int thread) {
    const auto outer = std::this_thread::get_id();
    const bool ran = team.try_run(5, [&](Index, int inner_thread) {
      if (inner_thread != thread || std::this_thread::get_id() != outer) same = false;
      ++inner;
    });
    if (!ran) same = false;
  });
  CHECK(same);
  CHECK(inner == 100);

  int through = 0;  // from another team's piece back into this team
  team.try_run(1, [&](Index, int) {
    other.try_run(1, [&](Index, int) { through += 1; });
    CHECK(team.try_run(2, [&](Index, int) { through += 10; }));
  });
  CHECK(through == 21);
}

TEST_CASE("a team refuses a second thread during a call") {
  ThreadTeam team(2);
  std::atomic<bool> inside = false, tried = false;
  std::thread first([&] {
    team.try_run(1, [&](Index, int) {
      inside = true;
      wait_until([&] { return tried.load(); });
    });
  });
  wait_until([&] { return inside.load(); });
  const auto never = [](Index, int) { FAIL("a piece ran"); };
  CHECK_FALSE(team.try_run(4, never));
  CHECK_FALSE(team.try_run(1, never));
  tried = true;
  first.join();
  CHECK(team.try_run(4, [](Index, int) {}));
}

TEST_CASE("two teams work concurrently in two threads") {
  std::array<long, 2> sums{};
  const auto work = [&](std::size_t which) {
    ThreadTeam team(3);
    for (int call = 0; call < 500; ++call) {
      std::array<long, 8> parts{};
      team.try_run(8, [&](Index piece, int) { parts.at(static_cast<std::size_t>(piece)) = piece; });
      for (long part : parts) sums.at(which) += part;
    }
  };
  std::thread other(work, 1);
  work(0);
  other.join();
  CHECK(sums == std::array<long, 2>{14000, 14000});
}

TEST_CASE("share_out covers its range once, also from several threads") {
  const auto covers = [](Index count) {
    std::vector<std::atomic<int>> seen(static_cast<std::size_t>(count));
    share_out(count, 1, [&](Index first, Index last) {
      for (Index i = first; i < last; ++i) ++seen[static_cast<std::size_t>(i)];
    });
    return std::all_of(seen.begin(), seen.end(), [](const auto& times) { return times == 1; });
  };
  for (Index count : {0, 1, 2, 1000}) CHECK(covers(count));
  std::atomic<bool> right = true;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int call = 0; call < 100; ++call)
        if (!covers(50)) right = false;
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(right);

  const auto here = std::this_thread::get_id();
  share_out(100, 1e-6, [&](Index first, Index last) {  // too little work to share
    CHECK(last - first == 100);
    CHECK(std::this_thread::get_id() == here);
  });
}
