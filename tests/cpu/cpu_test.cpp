#include "retrace/cpu/cpu.hpp"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "retrace/cpu/channel_sums.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Work much{1e9, 0};  ///< enough to be split

}  // namespace

TEST_CASE("freed memory is reused for the next tensor of its size") {
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

TEST_CASE("parallel covers a range exactly once") {
  for (int threads : {1, 2, 3}) {
    Cpu device(threads);
    CHECK(device.threads() == threads);
    for (Work work : {Work{}, much})
      for (Index count : {0, 1, 2, 7, 100}) {
        std::vector<int> seen(static_cast<std::size_t>(count), 0);
        device.parallel(count, work, [&](Index first, Index last, int thread) {
          if (thread < 0 || thread >= threads) throw std::out_of_range("no such thread");
          for (Index i = first; i < last; ++i) ++seen[static_cast<std::size_t>(i)];
        });
        CHECK(std::count(seen.begin(), seen.end(), 1) == count);
      }
  }
}

TEST_CASE("shares are the same every time, whichever thread computes them") {
  for (int threads : {1, 2, 3})
    for (Work work : {Work{}, much})
      for (Index count : {1, 2, 7, 100})
        for (int shares : {1, 3, 8}) {
          CAPTURE(threads, count, shares);
          Cpu device(threads);
          const Index made =
              work.bytes + work.multiply_adds > 0 ? std::min<Index>(shares, count) : 1;
          std::vector<Index> ends(static_cast<std::size_t>(made), -1);
          device.parallel_shares(shares, count, work,
                                 [&](Index first, Index last, int, Index share) {
                                   if (first != count * share / made) return;
                                   ends.at(static_cast<std::size_t>(share)) = last;
                                 });
          for (Index share = 0; share < made; ++share)
            CHECK(ends[static_cast<std::size_t>(share)] == count * (share + 1) / made);
        }
}

TEST_CASE("sums have the same bits whichever thread is late") {
  constexpr Index count = 4000;
  Cpu device(3);
  const auto sum = [&](unsigned delays) {
    cpu::ShareRows<double> partial(device, 1);
    partial.clear();
    device.parallel_shares(device.shares(), count, much,
                           [&](Index first, Index last, int, Index s) {
                             if (delays >> s & 1)
                               std::this_thread::sleep_for(std::chrono::microseconds(300));
                             for (Index i = first; i < last; ++i)
                               *partial.row(s) += 1.0 / static_cast<double>(1 + i);
                           });
    double total = 0;
    for (Index s = 0; s < partial.count(); ++s) total += *partial.row(s);
    return total;
  };
  const double expected = sum(0);
  for (unsigned delays = 1; delays < 4096; delays = 3 * delays + 1) CHECK(sum(delays) == expected);
}

TEST_CASE("little work stays on the calling thread") {
  Cpu device(3);
  const auto here = std::this_thread::get_id();
  int calls = 0;
  device.parallel(1000, {1000, 10000}, [&](Index first, Index last, int thread) {
    CHECK(std::this_thread::get_id() == here);
    CHECK((first == 0 && last == 1000 && thread == 0));
    ++calls;
  });
  CHECK(calls == 1);
}

TEST_CASE("a device serves one thread at a time, and two devices serve two") {
  Cpu device(2), other(2);
  std::thread first([&] {
    device.parallel(1, {}, [&](Index, Index, int) {
      std::thread second([&] {
        CHECK_THROWS_WITH(
            device.parallel(1, {}, [](Index, Index, int) { FAIL("the body ran"); }),
            "Cpu: another thread is using this device; each thread needs its own device");
        std::atomic<Index> done = 0;
        other.parallel(100, much, [&](Index from, Index to, int) { done += to - from; });
        CHECK(done == 100);
      });
      second.join();
    });
  });
  first.join();
  int done = 0;
  device.parallel(1, {}, [&](Index, Index, int) { ++done; });
  CHECK(done == 1);
}

TEST_CASE("a dry device meters, counts work and allocates nothing") {
  Cpu device = Cpu::dry_device();
  CHECK(device.dry());
  constexpr Index channels = sizeof(std::size_t) > 4 ? 1000 : 1;
  Tensor<float, Cpu> x(device,
                       {1000, 1000, 1000, channels});  // 4 TB (or GB), more than the machine has
  CHECK(x.data() == nullptr);
  CHECK(device.memory().live()[Use::activation] == std::size_t{4'000'000'000} * channels);
  CHECK(device.allocations() == 0);
  fill(x.view(), 1.0f);
  CHECK(device.work().bytes == 4e9 * channels);
  device.parallel(5, {10, 20}, [](Index, Index, int) { FAIL("a dry device computed"); });
  CHECK(device.work().multiply_adds == 10);
}

TEST_CASE("a rehearsal restores the device") {
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

TEST_CASE("an exception of a body on any thread reaches the caller of parallel") {
  Cpu device(3);
  for (Work work : {Work{}, much})
    for (Index thrower : {0, 5, 11}) {
      CAPTURE(thrower);
      const auto body = [&](Index first, Index last, int) {
        if (first <= thrower && thrower < last) throw std::bad_alloc();
      };
      CHECK_THROWS_AS(device.parallel(12, work, body), std::bad_alloc);
    }
  int done = 0;
  device.parallel(1, {}, [&](Index, Index, int) { ++done; });
  CHECK(done == 1);
}
