#include "retrace/layer/invertible_batch_norm.hpp"

#include "retrace/layer/batch_norm.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("InvertibleBatchNorm keeps the contract of a layer") {
  const double slope = GENERATE(1.0, 0.25);
  CAPTURE(slope);
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    return InvertibleBatchNorm<T, Cpu>(device, 7, {.activation = {slope}});
  };
  CHECK(check_layer(make, {{4, 3, 5, 7}, {1, 4, 6, 7}, {5, 1, 1, 7}},
                    {.inverse = 16, .restored = 16, .agreement = 128}) == "");
}

TEST_CASE("InvertibleBatchNorm is BatchNorm with |gamma| + floor for a scale") {
  Cpu device;
  InvertibleBatchNorm<double, Cpu> invertible(device, 3, {.scale_floor = 0.2});
  AnyLayer<double> plain = BatchNorm<double, Cpu>(device, 3);
  Parameter<double, Cpu>& plain_gamma = *plain.parameters().parameters[0].parameter;
  assign(invertible.gamma().value.view(), {0.5, -0.7, 0});
  assign(plain_gamma.value.view(), {0.7, 0.9, 0.2});
  const auto x = normal<double>(device, {4, 3, 5, 3});
  auto y = clone(x), expected = clone(x);
  invertible.forward(y, training);
  plain.forward(expected, training);
  CHECK(distance_in_roundings<double>(values(y), values(expected)) <= 2);

  auto dy = normal<double>(device, x.shape(), 2), expected_dx = clone(dy);
  invertible.backward(y, dy);
  plain.backward(expected, expected_dx);
  CHECK(relative_distance(values(dy), values(expected_dx)) < 1e-13);
  // ds/dγ is the sign of γ, and 1 at 0.
  Values slopes = values(plain_gamma.gradient);
  slopes[1] = -slopes[1];
  CHECK(relative_distance(values(invertible.gamma().gradient), slopes) < 1e-13);
}

TEST_CASE("InvertibleBatchNorm starts with a scale of 1 and inverts a gamma of 0") {
  Cpu device;
  AnyLayer<double> layer =
      InvertibleBatchNorm<double, Cpu>(device, 5, {.activation = leaky_relu(0.5)});
  const auto gamma = layer.parameters().parameters[0].parameter->value.view();
  CHECK(values(gamma) == Values(5, 0.9));
  assign(gamma, Values(5, 0.0));
  CHECK(check_inverse(layer, normal<double>(device, {2, 3, 4, 5}), 32) == "");
}

TEST_CASE("InvertibleBatchNorm loses few bits where mean and deviation are far from 0 and 1") {
  Cpu device;
  AnyLayer<double> layer = InvertibleBatchNorm<double, Cpu>(device, 2);
  auto x = normal<double>(device, {4, 5, 4, 2});
  for (Index pixel = 0; pixel < 80; ++pixel) {
    x.view().pixel(pixel)[0] = 1000 + x.view().pixel(pixel)[0];
    x.view().pixel(pixel)[1] *= 1e3;
  }
  CHECK(check_backward_restores_input(layer, x, 16) == "");
}

TEST_CASE("InvertibleBatchNorm keeps nothing") {
  Cpu device;
  AnyLayer<float> layer = InvertibleBatchNorm<float, Cpu>(device, 7);
  CHECK(kept_bytes(layer, normal<float>(device, {2, 3, 4, 7})) == 0);
}

TEST_CASE("InvertibleBatchNorm stored keeps its input and nothing else, and needs no output") {
  Cpu device;
  const NormOptions options{.activation = leaky_relu(0.25)};
  InvertibleBatchNorm<double, Cpu> inverting(device, 7, options), storing(device, 7, options);
  inside::set_mode(storing, Mode::stored);
  CHECK(inverting.reads_output());
  CHECK_FALSE(storing.reads_output());
  const auto x = normal<double>(device, {2, 3, 4, 7});
  auto y = clone(x), expected = clone(x);
  inverting.forward(expected, training);
  storing.forward(y, training);
  CHECK(same_bits(values(y), values(expected)));

  y = Tensor<double, Cpu>::none(device);
  auto dy = normal<double>(device, x.shape(), 2), expected_dx = clone(dy);
  inverting.backward(expected, expected_dx);
  storing.backward(y, dy);
  CHECK(same_bits(values(y), values(x)));
  CHECK(relative_distance(values(dy), values(expected_dx)) < 1e-13);
  CHECK(relative_distance(values(storing.gamma().gradient), values(inverting.gamma().gradient)) <
        1e-13);

  AnyLayer<float> layer = InvertibleBatchNorm<float, Cpu>(device, 7, options);
  layer.set_mode(Mode::stored);
  CHECK(kept_bytes(layer, normal<float>(device, {2, 3, 4, 7})) == 2 * 3 * 4 * 7 * sizeof(float));
}

TEST_CASE("InvertibleBatchNorm refuses what does not fit") {
  Cpu device;
  const auto make = [&](const NormOptions& options) {
    InvertibleBatchNorm<float, Cpu>(device, 7, options);
  };
  CHECK_THROWS_WITH(make({.scale_floor = 0}),
                    "InvertibleBatchNorm: scale_floor must be positive, got 0.000000");
  CHECK_THROWS_WITH(make({.activation = relu}),
                    "InvertibleBatchNorm: an activation of slope 0.000000 has no inverse");

  InvertibleBatchNorm<float, Cpu> layer(device, 7);
  auto x = normal<float>(device, {2, 3, 5, 7}), dy = normal<float>(device, {2, 3, 5, 7});
  auto other = normal<float>(device, {2, 3, 4, 7}), pixel = normal<float>(device, {1, 1, 1, 7});
  const std::string missing =
      "InvertibleBatchNorm: the last forward pass has not recorded statistics; run forward with "
      "`training` first";
  const std::string of_no_batch =
      "InvertibleBatchNorm: the last forward pass has not recorded the statistics of a batch; run "
      "forward with `training` first";
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
  CHECK_THROWS_WITH(layer.inverse(x, training), of_no_batch);
  CHECK_THROWS_WITH(layer.forward(pixel, training),
                    containing("InvertibleBatchNorm: a training batch of one pixel"));
  layer.forward(x, training);
  CHECK_THROWS_WITH(layer.backward(x, other),
                    "InvertibleBatchNorm: y is 2x3x5x7 but dy is 2x3x4x7");
  layer.forward(x, inference);
  CHECK_THROWS_WITH(layer.inverse(x, training), of_no_batch);
}
