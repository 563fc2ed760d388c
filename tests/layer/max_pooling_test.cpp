#include "retrace/layer/max_pooling.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("MaxPooling keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return MaxPooling<T, Cpu>(); };
  CHECK(check_layer(make, {{3, 4, 6, 5}, {1, 10, 2, 16}, {1, 2, 2, 1}}, {.agreement = 0}) == "");
}

TEST_CASE("MaxPooling takes the largest of a window and sends its gradient there") {
  Cpu device;
  MaxPooling<double, Cpu> layer;
  // Two windows side by side, one channel.
  auto x = tensor<double>(device, {1, 2, 4, 1},
                          {1, 7, 3, 3,  //
                           5, 2, 3, -1});
  layer.forward(x, training);
  CHECK(values(x) == Values{7, 3});
  auto dy = tensor<double>(device, {1, 1, 2, 1}, {10, 20});
  layer.backward(x, dy);
  CHECK(values(dy) == Values{0, 10, 20, 0,  // of equals the first
                             0, 0, 0, 0});
  CHECK(values(x) == Values{1, 7, 3, 3, 5, 2, 3, -1});
}

TEST_CASE("MaxPooling passes a NaN on") {
  Cpu device;
  MaxPooling<float, Cpu> layer;
  for (std::size_t at : {0u, 1u, 2u, 3u}) {
    Values list{1, 2, 3, 4};
    list[at] = std::numeric_limits<double>::quiet_NaN();
    auto x = tensor<float>(device, {1, 2, 2, 1}, list);
    layer.forward(x, inference);
    CHECK(std::isnan(values(x)[0]));
  }
}

TEST_CASE("MaxPooling keeps a byte an output, and its input only to restore it") {
  Cpu device;
  AnyLayer<double> layer = MaxPooling<double, Cpu>();
  const auto x = normal<double>(device, {2, 4, 6, 5});
  Run careless = training;
  careless.restore = false;
  CHECK(kept_bytes(layer, x) == 240 * sizeof(double) + 60);
  CHECK(kept_bytes(layer, x, careless) == 60);
  CHECK(kept_bytes(layer, x, inference) == 0);
}

TEST_CASE("MaxPooling refuses what it cannot halve and a backward pass that does not fit") {
  Cpu device;
  MaxPooling<float, Cpu> layer;
  auto high = normal<float>(device, {2, 7, 8, 16}), wide = normal<float>(device, {2, 8, 7, 16});
  CHECK_THROWS_WITH(layer.forward(high, training),
                    "MaxPooling: 2x7x8x16 cannot be halved: height and width must be even");
  CHECK_THROWS_AS(layer.forward(wide, training), ShapeError);

  auto x = normal<float>(device, {2, 8, 8, 16}), dy = normal<float>(device, {2, 4, 4, 16});
  const std::string missing =
      "MaxPooling: no forward pass has stored its choices; run forward with `training` "
      "first";
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
  layer.forward(x, training);
  auto other = normal<float>(device, {2, 4, 4, 8});
  CHECK_THROWS_WITH(layer.backward(x, other), "MaxPooling: y is 2x4x4x16 but dy is 2x4x4x8");
  auto next = normal<float>(device, {2, 8, 8, 16});
  layer.forward(next, inference);
  CHECK_THROWS_WITH(layer.backward(next, dy), missing);
}
