#include "retrace/layer/linear.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
Linear<T, Cpu> linear(Cpu& device, Index in, Index out) {
  Random random(1);
  return {device, in, out, random};
}

}  // namespace

TEST_CASE("Linear keeps the contract of a layer") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> { return linear<T>(device, 7, 10); };
  CHECK(check_layer(make, {{5, 1, 1, 7}, {8, 1, 1, 7}, {1, 1, 1, 7}, {2, 3, 5, 7}}, {}) == "");
}

TEST_CASE("Linear is x·w + b") {
  Cpu device;
  Linear<double, Cpu> linear_ = linear<double>(device, 2, 3);
  assign(linear_.weight().value.view(), {1, 2, 3, 4, 5, 6});
  assign(linear_.bias().value.view(), {10, 20, 30});
  AnyLayer<double> layer = std::move(linear_);
  auto x = tensor<double>(device, {2, 1, 1, 2}, {1, 1, 2, -1});
  layer.forward(x, inference);
  CHECK(values(x) == Values{15, 27, 39, 8, 19, 30});
}

TEST_CASE("Linear decays its weight, not its bias, and keeps its input") {
  Cpu device;
  AnyLayer<double> layer = linear<double>(device, 7, 10);
  const auto list = layer.parameters();
  REQUIRE(list.parameters.size() == 2);
  CHECK(list.parameters[0].name == "weight");
  CHECK(list.parameters[0].parameter->decays);
  CHECK(list.parameters[1].name == "bias");
  CHECK_FALSE(list.parameters[1].parameter->decays);
  CHECK(list.count() == 80);
  CHECK(kept_bytes(layer, normal<double>(device, {3, 1, 1, 7})) == 21 * sizeof(double));
}

TEST_CASE("Linear refuses what does not fit") {
  Cpu device;
  AnyLayer<float> layer = linear<float>(device, 7, 10);
  auto wide = normal<float>(device, {3, 1, 1, 8}), x = normal<float>(device, {3, 1, 1, 7});
  auto dy = normal<float>(device, {3, 1, 1, 9});
  CHECK_THROWS_WITH(layer.forward(wide, training), "Linear: x is 3x1x1x8 but must have 7 channels");
  CHECK_THROWS_WITH(layer.backward(x, dy), containing("no forward pass has stored an input"));
  layer.forward(x, training);
  CHECK_THROWS_WITH(layer.backward(x, dy), "backward: y is 3x1x1x10 but dy is 3x1x1x9");
}
