#include "retrace/layer/conv2d.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
Conv2d<T, Cpu> conv(Cpu& device, Index in, Index out, ConvOptions options) {
  Random random(1);
  return {device, in, out, random, options};
}

}  // namespace

TEST_CASE("Conv2d keeps the contract of a layer") {
  const Index kernel = GENERATE(1, 3), stride = GENERATE(1, 2);
  CAPTURE(kernel, stride);
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    return conv<T>(device, 5, 18, {kernel, stride});
  };
  CHECK(check_layer(make, {{3, 5, 7, 5}, {1, 8, 6, 5}, {1, 1, 1, 5}}, {}) == "");
}

TEST_CASE("Conv2d with a kernel of 5 keeps the contract of a layer") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return conv<T>(device, 3, 2, {5, 2});
  };
  CHECK(check_layer(make, {{2, 7, 6, 3}}, {}) == "");
}

TEST_CASE("Conv2d draws its weights from N(0, 2/fan_in)") {
  Cpu device;
  auto layer = conv<double>(device, 32, 64, {});
  const Values weights = values(layer.weight().value);
  const double count = static_cast<double>(weights.size());
  const double mean = std::accumulate(weights.begin(), weights.end(), 0.0) / count;
  const double variance = dot(weights, weights) / count, expected = 2.0 / (9 * 32);
  CHECK(std::abs(mean) < 4 * std::sqrt(expected / count));
  CHECK(variance == Approx(expected).epsilon(4 * std::sqrt(2 / count)));
  CHECK(layer.weight().decays);
}

TEST_CASE("Conv2d keeps its input") {
  Cpu device;
  AnyLayer<double> layer = conv<double>(device, 5, 18, {});
  CHECK(kept_bytes(layer, normal<double>(device, {2, 4, 6, 5})) == 240 * sizeof(double));
  CHECK(kept_bytes(layer, normal<double>(device, {2, 4, 6, 5}), inference) == 0);
}

TEST_CASE("Conv2d refuses what does not fit") {
  Cpu device;
  CHECK_THROWS_WITH(conv<float>(device, 3, 4, {2, 1}), "Conv2d: kernel must be odd, got 2");
  CHECK_THROWS_WITH(conv<float>(device, 3, 4, {-1, 1}), "Conv2d: kernel must be odd, got -1");
  CHECK_THROWS_WITH(conv<float>(device, 3, 4, {3, 3}), "Conv2d: stride must be 1 or 2, got 3");
  CHECK_THROWS_WITH(conv<float>(device, 0, 4, {}), "Conv2d: needs channels, got 0 in and 4 out");
  CHECK_THROWS_AS(conv<float>(device, 0, 4, {}), std::invalid_argument);

  AnyLayer<float> layer = conv<float>(device, 16, 4, {3, 2});
  auto narrow = normal<float>(device, {2, 8, 8, 8}), x = normal<float>(device, {2, 7, 8, 16});
  auto dy = normal<float>(device, {2, 8, 8, 4});
  CHECK_THROWS_WITH(layer.forward(narrow, training),
                    "Conv2d: x is 2x8x8x8 but must have 16 channels");
  CHECK_THROWS_WITH(layer.backward(x, dy),
                    "no forward pass has stored an input; run forward with `training` first");
  layer.forward(x, training);
  CHECK_THROWS_WITH(layer.backward(x, dy), "backward: y is 2x4x4x4 but dy is 2x8x8x4");
  layer.forward(narrow = normal<float>(device, {2, 8, 8, 16}), inference);
  CHECK_THROWS_AS(layer.backward(narrow, dy), StateError);
}
