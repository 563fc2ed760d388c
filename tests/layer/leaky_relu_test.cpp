#include "retrace/layer/leaky_relu.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("LeakyRelu keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return LeakyRelu<T, Cpu>(0.3); };
  CHECK(check_layer(make, {{2, 5, 3, 7}, {1, 4, 6, 16}, {1, 1, 1, 1}},
                    {.inverse = 1, .restored = 1, .agreement = 1}) == "");
}

TEST_CASE("LeakyRelu scales negative elements only") {
  Cpu device;
  AnyLayer<float> layer = LeakyRelu<float, Cpu>(0.25);
  auto x = tensor<float>(device, {1, 1, 1, 4}, {-2, -0.5, 0.5, 3});
  layer.forward(x, training);
  CHECK(values(x) == Values{-0.5, -0.125, 0.5, 3});
}

TEST_CASE("LeakyRelu inverts bit for bit where its slope is a power of two") {
  Cpu device;
  AnyLayer<float> layer = LeakyRelu<float, Cpu>(0.25);
  CHECK(check_inverse(layer, normal<float>(device, {2, 3, 5, 9}), 0) == "");
}

TEST_CASE("LeakyRelu inverts any slope to one rounding") {
  Cpu device;
  for (double slope : {0.01, 0.3, 0.9, 1.5}) {
    AnyLayer<float> single = LeakyRelu<float, Cpu>(slope);
    AnyLayer<double> exact = LeakyRelu<double, Cpu>(slope);
    CHECK(check_inverse(single, normal<float>(device, {4, 9, 8, 8}), 1) == "");
    CHECK(check_inverse(exact, normal<double>(device, {4, 9, 8, 8}), 1) == "");
  }
}

TEST_CASE("LeakyRelu keeps nothing and needs no other memory") {
  Cpu device;
  AnyLayer<float> layer = LeakyRelu<float, Cpu>(0.3);
  const auto x = normal<float>(device, {2, 3, 5, 4});
  CHECK(kept_bytes(layer, x) == 0);
  auto state = clone(x);
  device.memory().restart_peak();
  const Bytes before = device.memory().live();
  layer.forward(state, training);
  layer.inverse(state, training);
  CHECK(device.memory().peak() == before);
}

TEST_CASE("LeakyRelu refuses a slope without inverse") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const auto make = [](double slope) { LeakyRelu<float, Cpu>{slope}; };
  for (double slope : {0.0, -0.1, infinity, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(make(slope), std::invalid_argument);
  CHECK_THROWS_WITH(make(-0.5), "LeakyRelu: slope must be positive and finite, got -0.500000");
}

TEST_CASE("LeakyRelu refuses a gradient of another shape") {
  Cpu device;
  LeakyRelu<float, Cpu> layer(0.5);
  auto y = normal<float>(device, {2, 8, 8, 16}), dy = normal<float>(device, {2, 8, 8, 8});
  CHECK_THROWS_WITH(layer.backward(y, dy), "LeakyRelu: y is 2x8x8x16 but dy is 2x8x8x8");
  CHECK_THROWS_AS(layer.backward(y, dy), ShapeError);
}
