#include "retrace/cpu/pool.hpp"

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("maximum and mean work on channel slices") {
  Cpu device(2);
  const auto wide = normal<double>(device, {3, 4, 6, 9});
  const auto x = wide.view().channels(2, 5);
  const auto packed = clone(x);

  auto y = normal<double>(device, {3, 2, 3, 8}, 2), packed_y = normal<double>(device, {3, 2, 3, 5});
  Tensor<std::uint8_t, Cpu> which(device, {3, 2, 3, 5}), packed_which(device, {3, 2, 3, 5});
  const Values left = values(y.view().channels(0, 3));
  max_pool(y.view().channels(3, 5), which.view(), x);
  max_pool(packed_y.view(), packed_which.view(), packed.view());
  CHECK(same_bits(values(y.view().channels(3, 5)), values(packed_y)));
  CHECK(values(which) == values(packed_which));
  CHECK(values(y.view().channels(0, 3)) == left);

  auto dx = normal<double>(device, {3, 4, 6, 7}, 3), packed_dx = clone(packed);
  max_pool_backward(dx.view().channels(1, 5), y.view().channels(3, 5), which.view());
  max_pool_backward(packed_dx.view(), packed_y.view(), which.view());
  CHECK(same_bits(values(dx.view().channels(1, 5)), values(packed_dx)));

  auto mean = normal<double>(device, {3, 1, 1, 6}, 4);
  global_average(mean.view().channels(1, 5), x);
  for (Index n = 0; n < 3; ++n)
    for (Index c = 0; c < 5; ++c) {
      const Values all = values(x.images(n, 1).channels(c, 1));
      CHECK(mean.view().pixel(n)[1 + c] ==
            Approx(std::accumulate(all.begin(), all.end(), 0.0) / 24).epsilon(1e-13));
    }
  global_average_backward(dx.view().channels(1, 5), mean.view().channels(1, 5));
  CHECK(values(dx.view().images(2, 1).channels(1, 5))[7] ==
        Approx(mean.view().pixel(2)[1 + 2] / 24).epsilon(1e-15));
}

TEST_CASE("permutations are undone bit for bit on any number of threads") {
  for (int threads : {1, 2, 3}) {
    Cpu device(threads);
    const auto x = normal<float>(device, {3, 6, 10, 5});
    auto y = clone(x);
    channel_pool(y.view());
    CHECK(values(y) != values(x));
    channel_unpool(y.view());
    CHECK(values(y) == values(x));
    batch_pool(y.view());
    CHECK(values(y) != values(x));
    batch_unpool(y.view());
    CHECK(values(y) == values(x));
  }
}

TEST_CASE("permutations need a workspace of at most one image per thread for any batch") {
  Cpu device(2);
  std::size_t scratch[2];
  for (Index i : {0, 1}) {
    Cpu::Rehearsal rehearsal(device);
    Tensor<float, Cpu> x(device, {i == 0 ? 1 : 100, 32, 32, 32});
    device.memory().restart_peak();
    channel_pool(x.view());
    batch_pool(x.view());
    scratch[i] = device.memory().peak()[Use::workspace];
  }
  CHECK(scratch[0] == scratch[1]);
  CHECK(scratch[0] <= 2 * 32 * 32 * 32 * sizeof(float));
}
