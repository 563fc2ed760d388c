#include "retrace/net/residual.hpp"

#include "retrace/layer/invertible_batch_norm.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

enum class Inside { pre_activation, inplace, inplace_last };

template <class T>
Residual<T, Cpu> residual(Cpu& device, Index in, Index out, Inside inside) {
  Random random(1);
  Chain<T, Cpu> chain;
  if (inside == Inside::pre_activation) {
    chain.add("conv0", NormActConv<T, Cpu>(device, in, out, random))
        .add("conv1", NormActConv<T, Cpu>(device, out, out, random));
  } else {
    const NormOptions norm{.activation = leaky_relu(0.25)};
    chain.add("norm0", InvertibleBatchNorm<T, Cpu>(device, in, norm))
        .add("conv0", Conv2d<T, Cpu>(device, in, out, random));
    if (inside == Inside::inplace_last)
      chain.add("norm1", InvertibleBatchNorm<T, Cpu>(device, out, norm));
  }
  if (in == out) return Residual<T, Cpu>(std::move(chain));
  return Residual<T, Cpu>(std::move(chain), Conv2d<T, Cpu>(device, in, out, random));
}

}  // namespace

TEST_CASE("a residual block keeps the contract of a layer") {
  const Inside inside = GENERATE(Inside::pre_activation, Inside::inplace, Inside::inplace_last);
  const Mode mode = GENERATE(Mode::stored, Mode::reversible);
  const Index out = GENERATE(4, 7);
  CAPTURE(inside, mode, out);
  const auto make = [=]<class T>(Cpu& device) {
    AnyLayer<T> layer = residual<T>(device, 4, out, inside);
    layer.set_mode(mode);
    return layer;
  };
  const bool inverts = inside != Inside::pre_activation && mode == Mode::reversible;
  CHECK(check_layer(make, {{3, 5, 3, 4}, {1, 4, 6, 4}},
                    {.restored = inverts ? 32.0 : 0.0, .agreement = 512}) == "");
}

TEST_CASE("an in-place block keeps less and gives the same gradients") {
  Cpu device;
  const auto x = normal<double>(device, {3, 5, 4, 4});
  AnyLayer<double> layer = residual<double>(device, 4, 4, Inside::inplace_last);
  randomise(layer);
  layer.set_mode(Mode::stored);
  const PassValues stored = pass(layer, x);
  const std::size_t stored_bytes = kept_bytes(layer, x);
  layer.set_mode(Mode::reversible);
  PassValues inverted = pass(layer, x);
  inverted.buffers = stored.buffers;
  CHECK(compare(inverted, stored, 1e-12) == "");
  CHECK(kept_bytes(layer, x) < stored_bytes);
}

TEST_CASE("a residual block refuses what does not fit") {
  Cpu device;
  auto block = residual<double>(device, 4, 7, Inside::pre_activation);
  auto x = normal<double>(device, {3, 5, 4, 4}), dy = normal<double>(device, {3, 5, 4, 7});
  CHECK_THROWS_WITH(block.backward(x, dy), containing("Residual: no forward pass"));
  auto narrow = normal<double>(device, {3, 5, 4, 3});
  CHECK_THROWS_WITH(block.forward(narrow, training), containing("3x5x4x3"));
  block.forward(x, training);
  auto other = normal<double>(device, {3, 5, 4, 6});
  CHECK_THROWS_WITH(block.backward(x, other), containing("y is 3x5x4x7 but dy is 3x5x4x6"));

  Random random(1);
  Chain<double, Cpu> chain;
  chain.add("conv", Conv2d<double, Cpu>(device, 4, 5, random));
  Residual<double, Cpu> grows(std::move(chain));
  auto again = normal<double>(device, {3, 5, 4, 4});
  CHECK_THROWS_WITH(grows.forward(again, training), containing("3x5x4x4") && containing("3x5x4x5"));
}
