#include "retrace/layer/parameter.hpp"

#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/parameter_list.hpp"
#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a parameter starts at 0, metered as what it is") {
  Cpu device;
  Parameter<float, Cpu> parameter(device, {1, 1, 2, 3}, true);
  CHECK(values(parameter.value) == Values(6, 0.0));
  CHECK(values(parameter.gradient) == Values(6, 0.0));
  CHECK(device.memory().live()[Use::parameter] == 24);
  CHECK(device.memory().live()[Use::parameter_gradient] == 24);
  CHECK(device.memory().live().total() == 48);
}

TEST_CASE("on_complete is called once a backward pass, when the gradient is there") {
  Cpu device;
  Random random(1);
  Linear<double, Cpu> layer(device, 2, 3, random);
  int weight_calls = 0, bias_calls = 0;
  layer.weight().on_complete = [&](Parameter<double, Cpu>& parameter) {
    ++weight_calls;
    CHECK(&parameter == &layer.weight());
    CHECK(largest(values(parameter.gradient)) > 0);
  };
  layer.bias().on_complete = [&](Parameter<double, Cpu>&) { ++bias_calls; };
  auto x = normal<double>(device, {4, 1, 1, 2});
  Tensor<double, Cpu> y(device, layer.output_shape(x.shape()));
  layer.apply(y.view(), std::as_const(x).view(), training, Store::set);
  CHECK(weight_calls == 0);
  const auto dy = normal<double>(device, y.shape());
  auto dx = clone(x);
  layer.gradient(std::as_const(x).view(), dy.view(), dx.view(), Store::set);
  CHECK(weight_calls == 1);
  CHECK(bias_calls == 1);
}

TEST_CASE("a parameter of no channels has no elements") {
  Cpu device(1);
  const Parameter<double, Cpu> none(device, per_channel(0), false);
  CHECK(none.value.shape().size() == 0);
  CHECK(device.memory().live().total() == 0);
}

TEST_CASE("names are joined by dots") {
  CHECK(joined("level1.block0", "weight") == "level1.block0.weight");
  CHECK(joined("", "weight") == "weight");
}

TEST_CASE("weights are those of the random numbers, in float and in double") {
  Cpu device;
  Random a(7), b(7);
  Conv2d<float, Cpu> single(device, 3, 5, a);
  Conv2d<double, Cpu> exact(device, 3, 5, b);
  CHECK(distance_in_roundings<float>(values(single.weight().value), values(exact.weight().value)) <=
        1);
  CHECK(a() == b());
}
