#include "retrace/layer/freeze.hpp"

#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/invertible_batch_norm.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "retrace/net/chain.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

Chain<double, Cpu> net(Cpu& device) {
  Random random(1);
  Chain<double, Cpu> chain;
  chain.add("stem", Conv2d<double, Cpu>(device, 3, 4, random));
  for (const char* name : {"level1", "level10"})
    chain.add(name, NormActConv<double, Cpu>(device, 4, 4, random));
  chain.add("norm", InvertibleBatchNorm<double, Cpu>(device, 4));
  return chain;
}
std::string frozen_of(Chain<double, Cpu>& chain) {
  std::string names;
  for (const auto& [name, parameter] : chain.parameters().parameters)
    if (parameter->frozen()) names += name + ' ';
  return names;
}
std::string held_of(Chain<double, Cpu>& chain) {
  std::string names;
  for (const auto& named : chain.parameters().statistics)
    if (named.statistics->held()) names += named.name + ' ';
  return names;
}

/// Returns one layer of each kind that normalises 5 channels, with random parameters.
std::vector<AnyLayer<double>> normalisations(Cpu& device) {
  Random random(1);
  std::vector<AnyLayer<double>> layers;
  layers.emplace_back(BatchNorm<double, Cpu>(device, 5, {.activation = leaky_relu(0.25)}));
  layers.emplace_back(NormActConv<double, Cpu>(device, 5, 4, random));
  layers.emplace_back(
      InvertibleBatchNorm<double, Cpu>(device, 5, {.activation = leaky_relu(0.25)}));
  for (AnyLayer<double>& layer : layers) randomise(layer);
  return layers;
}

}  // namespace

TEST_CASE("a pattern names a parameter or a layer that it is in") {
  CHECK(matches("stem", "stem"));
  CHECK(matches("stem", "stem.weight"));
  CHECK(matches("stem.weight", "stem.weight"));
  CHECK_FALSE(matches("stem", "stem2.weight"));
  CHECK_FALSE(matches("weight", "stem.weight"));
  CHECK_FALSE(matches("stem.weight", "stem"));
  CHECK(matches("*", "stem.weight"));
  CHECK(matches("*.weight", "level1.block0.f.conv0.weight"));
  CHECK(matches("level1.*.f", "level1.block0.f.conv0.weight"));
  CHECK_FALSE(matches("level1.*.f", "level1.block0.g.conv0.weight"));
  CHECK(matches("level1*", "level10.weight"));
  CHECK_FALSE(matches("level1", "level10.weight"));
  CHECK_FALSE(matches("", "stem"));
}

TEST_CASE("a chain freezes what a pattern names, and unfreezes it") {
  Cpu device;
  auto chain = net(device);
  CHECK(frozen_of(chain) == "");
  chain.freeze("stem");
  CHECK(frozen_of(chain) == "stem.weight ");
  CHECK(held_of(chain) == "");
  chain.freeze("level1");
  CHECK(frozen_of(chain) == "stem.weight level1.norm.gamma level1.norm.beta level1.weight ");
  CHECK(held_of(chain) == "level1.norm ");
  chain.unfreeze("*");
  CHECK(frozen_of(chain) == "");
  CHECK(held_of(chain) == "");
  chain.freeze("*.gamma", Averages::moving);
  CHECK(frozen_of(chain) == "level1.norm.gamma level10.norm.gamma norm.gamma ");
  CHECK(held_of(chain) == "");
  CHECK_THROWS_WITH(chain.freeze("level2"),
                    "no parameter is called 'level2'; the first of 9 is 'stem.weight'");
  CHECK_THROWS_AS(chain.unfreeze("level2"), std::invalid_argument);
}

TEST_CASE("a frozen parameter holds no memory for a gradient, and gets it again when unfrozen") {
  Cpu device;
  auto chain = net(device);
  const std::size_t all = device.memory().live()[Use::parameter_gradient];
  chain.freeze("stem");
  const std::size_t stem = 9 * 3 * 4 * sizeof(double);
  CHECK(device.memory().live()[Use::parameter_gradient] == all - stem);
  const auto x = normal<double>(device, {2, 4, 4, 3});
  const auto step = [&] {
    auto y = clone(x);
    chain.forward(y, training);
    auto dy = normal<double>(device, y.shape(), 2, Use::gradient);
    chain.backward(y, dy);
  };
  step();
  CHECK(device.memory().live()[Use::parameter_gradient] == all - stem);
  chain.unfreeze("stem");
  step();
  CHECK(device.memory().live()[Use::parameter_gradient] == all);
  CHECK(largest(values(chain.parameters().parameters[0].parameter->gradient)) > 0);
}

TEST_CASE("a normalisation that holds its averages has the gradients of that function") {
  Cpu device;
  for (AnyLayer<double>& layer : normalisations(device)) {
    const auto x = spread<double>(device, {2, 3, 4, 5});
    for (Mode mode : {Mode::stored, Mode::reversible}) {
      layer.set_mode(mode);
      CHECK(check_held_averages(layer, x) == "");
    }
    // Held, a batch of one pixel will do.
    auto list = layer.parameters();
    set_frozen(list, "*", true, Averages::held);
    const auto pixel = spread<double>(device, {1, 1, 1, 5});
    CHECK(check_gradients(layer, pixel) == "");
    set_frozen(list, "*", false, Averages::moving);
    auto y = clone(pixel);
    CHECK_THROWS_AS(layer.forward(y, training), ShapeError);
  }
}

TEST_CASE("under running statistics, gradients are those of inference") {
  Cpu device;
  for (AnyLayer<double>& layer : normalisations(device)) {
    const auto x = spread<double>(device, {2, 3, 4, 5});
    for (Mode mode : {Mode::stored, Mode::reversible}) {
      layer.set_mode(mode);
      CHECK(check_gradients(layer, x, differentiable_inference) == "");
      CHECK(check_taylor(layer, x, differentiable_inference) == "");
      CHECK(check_backward_restores_input(layer, x, 16, differentiable_inference) == "");
    }
    auto y = clone(x), inferred = clone(x);
    layer.forward(y, differentiable_inference);
    layer.forward(inferred, inference);
    CHECK(same_bits(values(y), values(inferred)));
    layer.abandon();
  }
}
