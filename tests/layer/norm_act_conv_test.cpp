#include "retrace/layer/norm_act_conv.hpp"

#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/conv2d.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
NormActConv<T, Cpu> norm_act_conv(Cpu& device, Index in, Index out, ConvOptions options = {},
                                  NormOptions norm = {.activation = relu}) {
  Random random(1);
  return {device, in, out, random, options, norm};
}

}  // namespace

TEST_CASE("NormActConv keeps the contract of a layer") {
  const Index kernel = GENERATE(1, 3), stride = GENERATE(1, 2);
  const double slope = GENERATE(0.0, 0.2);
  CAPTURE(kernel, stride, slope);
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    return norm_act_conv<T>(device, 5, 18, {kernel, stride}, {.activation = {slope}});
  };
  CHECK(check_layer(make, {{3, 5, 7, 5}, {1, 4, 6, 5}}, {.agreement = 64}) == "");
}

TEST_CASE("NormActConv is BatchNorm, activation and Conv2d, one after another") {
  Cpu device;
  AnyLayer<double> fused = norm_act_conv<double>(device, 16, 20);
  randomise(fused);
  Random random(1);
  AnyLayer<double> norm = BatchNorm<double, Cpu>(device, 16, {.activation = relu}),
                   conv = Conv2d<double, Cpu>(device, 16, 20, random);
  const auto list = fused.parameters();
  const auto of_norm = norm.parameters().parameters, of_conv = conv.parameters().parameters;
  auto &gamma = *of_norm[0].parameter, &beta = *of_norm[1].parameter,
       &weight = *of_conv[0].parameter;
  assign(gamma.value.view(), values(list.parameters[0].parameter->value));
  assign(beta.value.view(), values(list.parameters[1].parameter->value));
  assign(weight.value.view(), values(list.parameters[2].parameter->value));

  const auto x = normal<double>(device, {2, 5, 8, 16});
  const PassValues expected = pass(fused, x);
  auto state = clone(x);
  norm.forward(state, training);
  conv.forward(state, training);
  auto gradient = normal<double>(device, state.shape(), 2);
  CHECK(relative_distance(expected.y, values(state)) < 1e-13);
  conv.backward(state, gradient);
  norm.backward(state, gradient);
  CHECK(relative_distance(expected.dx, values(gradient)) < 1e-13);
  CHECK(relative_distance(expected.gradients[0], values(gamma.gradient)) < 1e-13);
  CHECK(relative_distance(expected.gradients[1], values(beta.gradient)) < 1e-13);
  CHECK(relative_distance(expected.gradients[2], values(weight.gradient)) < 1e-13);
}

TEST_CASE("NormActConv keeps one tensor, and as a stage of a branch none") {
  Cpu device;
  auto layer = norm_act_conv<float>(device, 5, 18);
  const auto x = normal<float>(device, {2, 4, 6, 5});
  Tensor<float, Cpu> y(device, layer.output_shape(x.shape()));
  const Bytes before = device.memory().live();
  layer.apply(y.view(), x.view(), training, Store::set);
  CHECK(device.memory().live() == before);
  AnyLayer<float> any = std::move(layer);
  CHECK(kept_bytes(any, x) == 240 * sizeof(float));
}

TEST_CASE("NormActConv reads and adds to channel slices") {
  Cpu device;
  auto layer = norm_act_conv<double>(device, 5, 4);
  const auto wide_x = normal<double>(device, {2, 3, 5, 9});
  const auto x = wide_x.view().channels(3, 5);
  auto packed_x = clone(x);
  Tensor<double, Cpu> y(device, {2, 3, 5, 4});
  layer.apply(y.view(), packed_x.view(), training, Store::set);
  auto wide_y = normal<double>(device, {2, 3, 5, 7}, 2), expected = clone(wide_y);
  add(expected.view().channels(1, 4), y.view(), Store::subtract);
  layer.apply(wide_y.view().channels(1, 4), x, training, Store::subtract);
  CHECK(same_bits(values(wide_y), values(expected)));

  const auto dy = normal<double>(device, {2, 3, 5, 4}, 3);
  Tensor<double, Cpu> dx(device, packed_x.shape());
  layer.gradient(packed_x.view(), dy.view(), dx.view(), Store::set);
  auto wide_dx = normal<double>(device, {2, 3, 5, 8}, 4);
  expected = clone(wide_dx);
  add(expected.view().channels(2, 5), dx.view());
  layer.gradient(x, dy.view(), wide_dx.view().channels(2, 5), Store::add);
  CHECK(relative_distance(values(wide_dx), values(expected)) < 1e-15);
}

TEST_CASE("NormActConv refuses what does not fit") {
  Cpu device;
  AnyLayer<float> layer = norm_act_conv<float>(device, 5, 4);
  auto wide = normal<float>(device, {2, 3, 5, 6}), pixel = normal<float>(device, {1, 1, 1, 5});
  auto x = normal<float>(device, {2, 3, 5, 5}), dy = normal<float>(device, {2, 3, 5, 4});
  CHECK_THROWS_WITH(layer.forward(wide, training),
                    "NormActConv: x is 2x3x5x6 but must have 5 channels");
  CHECK_THROWS_WITH(layer.forward(pixel, training),
                    "NormActConv: a training batch of one pixel (1x1x1x5) has no "
                    "variance; use a larger batch");
  CHECK_THROWS_WITH(layer.backward(x, dy), containing("no forward pass has stored an input"));
  layer.forward(x, training);
  auto other = normal<float>(device, {2, 3, 5, 5});
  CHECK_THROWS_WITH(layer.backward(x, other), "backward: y is 2x3x5x4 but dy is 2x3x5x5");
  layer.forward(other, inference);
  CHECK_THROWS_AS(layer.backward(other, dy), StateError);
}
