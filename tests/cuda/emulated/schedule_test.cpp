// Results do not depend on the order in which a GPU runs its threads and blocks.
#include "cuda/devices.hpp"
#include "cuda/emulator/control.hpp"
#include "cuda/emulator/testing.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Runs all operations that sum over threads or blocks.
template <class T>
Values reductions() {
  Cuda gpu(0, {.libraries = false});
  const Shape shape{3, 16, 16, 12}, w{3, 3, 12, 8}, y{3, 16, 16, 8};
  Operands<T, Cuda> x(gpu, {shape, shape, y}, {0, 0});
  Values all{largest_magnitude(x[0]), sum_of_squares(x[0]), signal_noise(x[0], x[1]).noise};
  const auto append = [&](const auto& tensor) {
    const Values more = values(tensor);
    all.insert(all.end(), more.begin(), more.end());
  };
  Tensor<double, Cuda> sums(gpu, {1, 1, 2, 12}), mean(gpu, per_channel(12)),
      variance(gpu, per_channel(12));
  channel_moments(x[0], mean.view(), variance.view());
  append(mean);
  append(variance);
  Tensor<T, Cuda> numbers(gpu, {4, 1, 1, 12});
  fill(numbers.view(), T(0.5));
  const auto number = [&](Index i) { return View<const T, Cuda>(numbers.view().images(i, 1)); };
  const ChannelNorm<T, Cuda> norm{number(0), number(1), number(2), number(3)};
  normalise_activate_sums(sums.view(), x[0], x[1], norm, leaky_relu(0.5));
  append(sums);
  Tensor<T, Cuda> dw(gpu, w);
  fill(dw.view(), T(0));
  conv2d_weight_gradient(dw.view(), x[0], x[2], 1);
  append(dw);
  invert_normalise_activate_sums(sums.view(), x[0], x[1], norm, leaky_relu(0.5));
  append(sums);
  return all;
}

}  // namespace

TEMPLATE_TEST_CASE("sums have the same bits in any order of threads and blocks", "", float,
                   double) {
  const emulator::test::SavedOptions saved;
  emulator::options().seed = 0;
  const Values in_order = reductions<TestType>();
  for (unsigned seed : {1u, 2u, 3u, 4u}) {
    emulator::options().seed = seed;
    CAPTURE(seed);
    CHECK(same_bits(reductions<TestType>(), in_order));
  }
}
