#include "retrace/layer/global_average.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("GlobalAverage keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return GlobalAverage<T, Cpu>(); };
  CHECK(check_layer(make, {{3, 5, 3, 7}, {1, 4, 6, 16}, {1, 1, 1, 1}}, {}) == "");
}

TEST_CASE("GlobalAverage over sub-images keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return GlobalAverage<T, Cpu>(4); };
  CHECK(check_layer(make, {{12, 3, 2, 5}, {4, 1, 1, 3}}, {}) == "");
}

TEST_CASE("GlobalAverage averages over the pixels of an image and of its sub-images") {
  Cpu device;
  auto x = tensor<float>(device, {4, 1, 2, 1}, {1, 3, 5, 7, 10, 20, 30, 40});
  auto y = clone(x);
  AnyLayer<float>(GlobalAverage<float, Cpu>()).forward(y, inference);
  CHECK(y.shape() == Shape{4, 1, 1, 1});
  CHECK(values(y) == Values{2, 6, 15, 35});
  AnyLayer<float>(GlobalAverage<float, Cpu>(2)).forward(x, inference);
  CHECK(x.shape() == Shape{2, 1, 1, 1});
  CHECK(values(x) == Values{4, 25});
}

TEST_CASE("GlobalAverage keeps its input where that has to be restored") {
  Cpu device;
  AnyLayer<double> layer = GlobalAverage<double, Cpu>();
  const auto x = normal<double>(device, {2, 4, 6, 5});
  CHECK(kept_bytes(layer, x) == 240 * sizeof(double));
  Run careless = training;
  careless.restore = false;
  CHECK(kept_bytes(layer, x, careless) == 0);
}

TEST_CASE("GlobalAverage refuses what does not fit") {
  Cpu device;
  AnyLayer<float> layer = GlobalAverage<float, Cpu>(4);
  auto six = normal<float>(device, {6, 2, 2, 3}), x = normal<float>(device, {8, 2, 2, 3});
  auto dy = normal<float>(device, {2, 1, 1, 2});
  CHECK_THROWS_WITH(layer.forward(six, training),
                    "GlobalAverage: x is 6x2x2x3 but its number of images must be a multiple of 4");
  CHECK_THROWS_WITH(layer.backward(x, dy), containing("no forward pass has stored an input"));
  layer.forward(x, training);
  CHECK_THROWS_WITH(layer.backward(x, dy), "backward: y is 2x1x1x3 but dy is 2x1x1x2");
  const auto make = [](Index sub_images) { GlobalAverage<float, Cpu>{sub_images}; };
  CHECK_THROWS_WITH(make(0), "GlobalAverage: sub_images must be positive, got 0");
}
