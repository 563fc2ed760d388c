#include "retrace/cpu/cpu.hpp"

#include <atomic>

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("freed memory serves the next tensor of its size") {
  Cpu device;
  const void* first;
  {
    Tensor<float, Cpu> x(device, {2, 3, 4, 5});
    first = x.data();
    CHECK(reinterpret_cast<std::uintptr_t>(first) % 64 == 0);
  }
  Tensor<float, Cpu> y(device, {5, 4, 3, 2});
  CHECK(y.data() == first);
  CHECK(device.allocations() == 1);
}

TEST_CASE("parallel shares a range out once, in the same way each time") {
  for (int threads : {1, 2, 3}) {
    Cpu device(threads);
    CHECK(device.threads() == threads);
    for (Index count : {0, 1, 2, 7, 100}) {
      std::vector<int> seen(static_cast<std::size_t>(count), -1);
      std::atomic<int> calls = 0;
      device.parallel(count, {}, [&](Index first, Index last, int thread) {
        ++calls;
        for (Index i = first; i < last; ++i) seen[static_cast<std::size_t>(i)] = thread;
      });
      CHECK(calls == std::min<Index>(threads, count));
      CHECK(std::is_sorted(seen.begin(), seen.end()));
      CHECK(std::count(seen.begin(), seen.end(), -1) == 0);
    }
  }
}

TEST_CASE("a dry device meters, counts work and allocates nothing") {
  Cpu device = Cpu::dry_device();
  CHECK(device.dry());
  constexpr Index channels = sizeof(std::size_t) > 4 ? 1000 : 1;
  Tensor<float, Cpu> x(device, {1000, 1000, 1000, channels});  // 4 TB, or GB: more than there is
  CHECK(x.data() == nullptr);
  CHECK(device.memory().live()[Use::activation] == std::size_t{4'000'000'000} * channels);
  CHECK(device.allocations() == 0);
  fill(x.view(), 1.0f);
  CHECK(device.work().bytes == 4e9 * channels);
  device.parallel(5, {10, 20}, [](Index, Index, int) { FAIL("a dry device computes"); });
  CHECK(device.work().multiply_adds == 10);
}

TEST_CASE("a rehearsal leaves the device as it was") {
  Cpu device;
  device.memory().set_limit(1000);
  Tensor<float, Cpu> x(device, {1, 1, 1, 100});
  const Bytes live = device.memory().live(), peak = device.memory().peak();
  {
    Cpu::Rehearsal rehearsal(device);
    CHECK(device.dry());
    Tensor<float, Cpu> y(device, {1, 1, 1, 1000});
    CHECK(device.memory().live().total() == 4400);
    CHECK(device.memory().peak().total() == 4400);
  }
  CHECK_FALSE(device.dry());
  CHECK(device.memory().live() == live);
  CHECK(device.memory().peak() == peak);
  CHECK(device.memory().limit() == 1000);
  CHECK(device.allocations() == 1);
  CHECK(device.work().bytes == 0);
}

TEST_CASE("what a body throws on any thread arrives where parallel was called") {
  Cpu device(3);
  for (int thrower : {0, 1, 2}) {
    CAPTURE(thrower);
    const auto body = [&](Index, Index, int thread) {
      if (thread == thrower) throw std::bad_alloc();
    };
    CHECK_THROWS_AS(device.parallel(3, {}, body), std::bad_alloc);
  }
  int done = 0;
  device.parallel(1, {}, [&](Index, Index, int) { ++done; });
  CHECK(done == 1);
}
