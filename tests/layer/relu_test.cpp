#include "retrace/layer/relu.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("Relu keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return Relu<T, Cpu>(); };
  CHECK(check_layer(make, {{2, 5, 3, 7}, {1, 4, 6, 16}, {1, 1, 1, 1}}, {.agreement = 0}) == "");
}

TEST_CASE("Relu is max(x, 0)") {
  Cpu device;
  AnyLayer<float> layer = Relu<float, Cpu>();
  auto x = tensor<float>(device, {1, 1, 1, 4}, {-2, -0.5, 0.5, 3});
  layer.forward(x, inference);
  CHECK(values(x) == Values{0, 0, 0.5, 3});
}

TEST_CASE("Relu keeps its input, even where it need not be restored") {
  Cpu device;
  AnyLayer<double> layer = Relu<double, Cpu>();
  const auto x = normal<double>(device, {2, 3, 4, 5});
  CHECK(kept_bytes(layer, x) == 2 * 3 * 4 * 5 * sizeof(double));
  CHECK(kept_bytes(layer, x, preview(training)) == 0);
}

TEST_CASE("Relu refuses a backward pass that does not fit") {
  Cpu device;
  AnyLayer<float> layer = Relu<float, Cpu>();
  auto x = normal<float>(device, {2, 8, 8, 16}), dy = normal<float>(device, {2, 8, 8, 16});
  const std::string missing =
      "no forward pass has stored an input; run forward with `training` first";
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
  CHECK_THROWS_AS(layer.backward(x, dy), StateError);
  layer.forward(x, training);
  layer.forward(x, inference);
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
  layer.forward(x, training);
  auto other = normal<float>(device, {2, 8, 8, 8});
  CHECK_THROWS_WITH(layer.backward(x, other), "backward: y is 2x8x8x16 but dy is 2x8x8x8");
  layer.backward(x, dy);
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
}
