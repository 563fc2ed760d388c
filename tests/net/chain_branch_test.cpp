#include "retrace/net/chain_branch.hpp"

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/invertible_batch_norm.hpp"
#include "retrace/layer/stack_branch.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// The hybrid block: branches of invertible convolution, normalisation and activation.
template <class T>
AdditiveCoupling<ChainBranch<T, Cpu>> hybrid_block(Cpu& device) {
  using ConvBranch = StackBranch<Conv2d<T, Cpu>>;
  Random random(1);
  const auto branch = [&] {
    Chain<T, Cpu> chain;
    for (int i : {0, 1}) {
      ConvBranch f(Conv2d<T, Cpu>(device, 2, 2, random)), g(Conv2d<T, Cpu>(device, 2, 2, random));
      chain
          .add("conv" + std::to_string(i), AdditiveCoupling<ConvBranch>(std::move(f), std::move(g)))
          .add("norm" + std::to_string(i),
               InvertibleBatchNorm<T, Cpu>(device, 4, {.activation = leaky_relu(0.25)}));
    }
    return ChainBranch<T, Cpu>(std::move(chain));
  };
  auto f = branch();
  return {std::move(f), branch()};
}

}  // namespace

TEST_CASE("a block of chain branches keeps the contract of a layer") {
  const Mode mode = GENERATE(Mode::stored, Mode::reversible, Mode::inverted, Mode::streamed);
  CAPTURE(mode);
  const auto make = [=]<class T>(Cpu& device) {
    AdditiveCoupling layer = hybrid_block<T>(device);
    layer.set_mode(mode);
    layer.set_chunk(1);
    return AnyLayer<T>(std::move(layer));
  };
  CHECK(check_layer(make, {{3, 5, 3, 8}, {1, 4, 6, 8}},
                    {.inverse = 32,
                     .restored = 32,
                     .agreement = 4096,
                     .added = mode == Mode::streamed ? 16.0 : 0}) == "");
}

TEST_CASE("the modes of a chain branch give the same gradients") {
  Cpu device;
  AnyLayer<double> layer = hybrid_block<double>(device);
  randomise(layer);
  const auto x = normal<double>(device, {3, 5, 4, 8});
  layer.set_mode(Mode::stored);
  pass(layer, x);
  PassValues stored = pass(layer, x);
  CHECK(kept_bytes(layer, x) > 0);
  for (Mode mode : {Mode::reversible, Mode::inverted}) {
    layer.set_mode(mode);
    PassValues result = pass(layer, x);
    result.buffers = stored.buffers;
    CHECK(compare(result, stored, mode == Mode::reversible ? 1e-13 : 1e-11) == "");
    CHECK(kept_bytes(layer, x) == 0);
  }
}

TEST_CASE("an inverted branch needs its half, the half's gradient and nothing that grows") {
  Cpu device;
  AdditiveCoupling block = hybrid_block<double>(device);
  std::size_t peaks[2];
  for (Mode mode : {Mode::reversible, Mode::inverted}) {
    block.set_mode(mode);
    auto x = normal<double>(device, {3, 5, 4, 8}), dx = normal<double>(device, {3, 5, 4, 8}, 2);
    device.memory().restart_peak();
    const std::size_t before = device.memory().live().total();
    block.forward(x, training);
    block.backward(x, dx);
    Bytes peak = device.memory().peak();
    peaks[mode == Mode::inverted] = peak.total() - peak[Use::workspace] - before;
  }
  const std::size_t half = 3 * 5 * 4 * 4 * sizeof(double);
  CHECK(peaks[1] == 2 * half);
  CHECK(peaks[0] > peaks[1]);
}

TEST_CASE("a chain branch refuses what does not fit") {
  Cpu device;
  Random random(1);
  Chain<double, Cpu> chain;
  chain.add("conv", Conv2d<double, Cpu>(device, 4, 5, random));
  ChainBranch<double, Cpu> branch(std::move(chain));
  auto target = normal<double>(device, {2, 3, 5, 4});
  const auto source = clone(target);
  CHECK_THROWS_WITH(branch.add_to(target.view(), source.view(), training, Store::add),
                    "ChainBranch::add_to: target is 2x3x5x4 but the branch's value is 2x3x5x5");
  branch.abandon();
  CHECK_THROWS_WITH(branch.differentiate(source.view(), source.view(), target.view()),
                    containing("ChainBranch::differentiate: no forward pass has kept an input"));
}
