#include "retrace/net/blocks.hpp"

#include "retrace/cpu/linear.hpp"
#include "retrace/layer/leaky_relu.hpp"
#include "retrace/net/architectures.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
Blocks<T, Cpu> blocks(Cpu& device) {
  return Blocks<T, Cpu>(device, {.slope = 0.5});
}

/// A coupling whose branches are couplings on halves of the half, `depth` times over, down to
/// single invertible convolutions.
template <class T>
Chain<T, Cpu> nested(Blocks<T, Cpu>& make, Index channels, int depth) {
  Chain<T, Cpu> chain;
  if (depth == 0) {
    chain.add("conv", make.invertible_conv(channels)).add("norm", make.invertible_norm(channels));
  } else {
    Branch<T, Cpu> f(nested<T>(make, channels / 2, depth - 1));
    Branch<T, Cpu> g(nested<T>(make, channels / 2, depth - 1));
    chain.add("coupling", AdditiveCoupling(std::move(f), std::move(g)));
  }
  return chain;
}

/// Linear, leaky ReLU, Linear on half the channels.
template <class T>
Branch<T, Cpu> perceptron(Blocks<T, Cpu>& make, Index channels) {
  Chain<T, Cpu> chain;
  chain.add("linear0", make.linear(channels, 2 * channels))
      .add("act", LeakyRelu<T, Cpu>(0.5))
      .add("linear1", make.linear(2 * channels, channels));
  return Branch<T, Cpu>(std::move(chain));
}

}  // namespace

TEST_CASE("a bottleneck coupling keeps the contract of a layer") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return blocks<T>(device).bottleneck_coupling(16);
  };
  CHECK(check_layer(make, {{3, 4, 3, 16}, {1, 5, 4, 16}}, {64, 64, 8192}) == "");
}

TEST_CASE("halves nest") {
  const int depth = GENERATE(1, 2, 3);
  const Mode mode = GENERATE(Mode::stored, Mode::reversible, Mode::inverted);
  CAPTURE(depth, mode);
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    auto b = blocks<T>(device);
    AnyLayer<T> layer = nested<T>(b, 16, depth);
    layer.set_mode(mode);
    return layer;
  };
  CHECK(check_layer(make, {{3, 4, 3, 16}}, {512, 512, 65536}) == "");
}

TEST_CASE("a perceptron on vectors is reversible") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    auto b = blocks<T>(device);
    auto f = perceptron<T>(b, 5);
    return AdditiveCoupling(std::move(f), perceptron<T>(b, 5));
  };
  CHECK(check_layer(make, {{7, 1, 1, 10}, {1, 1, 1, 10}}, {64, 64, 4096}) == "");
}

TEST_CASE("an invertible convolution refuses odd channels") {
  Cpu device;
  CHECK_THROWS_AS(blocks<float>(device).invertible_conv(5), ShapeError);
}
