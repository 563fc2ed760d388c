#include "retrace/layer/act_norm.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape shape{3, 2, 4, 3};

ActNorm<double, Cpu> norm(Cpu& device) { return {device, 3}; }

}  // namespace

TEST_CASE("ActNorm keeps the contract of a layer of a flow") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    ActNorm<T, Cpu> layer(device, 3);
    layer.set_initialised();
    return layer;
  };
  CHECK(check_layer(make, {shape, {1, 1, 7, 3}, {5, 1, 1, 3}}, {8, 8, 64}) == "");
}

TEST_CASE("the first training batch of ActNorm gets mean 0 and variance 1, later ones do not") {
  Cpu device;
  auto layer = norm(device);
  auto x = normal<double>(device, shape);
  scale(x.view(), 7);
  const Tensor<double, Cpu> first = clone(x);
  for (Run quiet : {inference, measuring_run}) {
    layer.forward(x, quiet);
    CHECK(same_bits(values(x), values(first)));
  }
  CHECK_FALSE(layer.initialised());
  layer.forward(x, training);
  CHECK(layer.initialised());
  Tensor<double, Cpu> mean(device, per_channel(3)), variance(device, per_channel(3));
  channel_moments(std::as_const(x).view(), mean.view(), variance.view());
  for (Index c = 0; c < 3; ++c) {
    CHECK(std::abs(mean.data()[c]) < 1e-12);
    CHECK(std::abs(variance.data()[c] - 1) < 1e-12);
  }
  auto again = normal<double>(device, shape, 5), copy_of_again = clone(again);
  layer.forward(again, training);
  layer.inverse(again, training);
  CHECK(relative_distance(values(again), values(copy_of_again)) < 1e-14);
}

TEST_CASE("the list of parameters has the state of ActNorm, so that a checkpoint saves it") {
  Cpu device;
  auto layer = norm(device);
  ParameterList<double, Cpu> list;
  inside::collect(layer, "norm", list);
  const auto* initialised = &list.numbers.front();
  for (const auto& number : list.numbers)
    if (number.name == "norm.initialised") initialised = &number;
  REQUIRE(initialised->name == "norm.initialised");
  CHECK(initialised->get() == 0);
  initialised->set(1);
  auto x = normal<double>(device, shape);
  const Values before = values(x);
  layer.forward(x, training);
  CHECK(same_bits(values(x), before));
}

TEST_CASE("ActNorm takes no scale from a constant channel, a NaN, or while it is frozen") {
  Cpu device;
  auto x = normal<double>(device, shape);
  for (Index p = 0; p < shape.pixels(); ++p) x.data()[3 * p] = 4;
  auto constant = norm(device);
  constant.forward(x, training);
  CHECK(x.data()[0] == 0);  // the shift alone
  CHECK(all_finite(x.view()));

  auto bad = normal<double>(device, shape);
  bad.data()[1] = std::numeric_limits<double>::quiet_NaN();
  auto careful = norm(device);
  careful.forward(bad, training);
  CHECK_FALSE(careful.initialised());

  auto frozen = norm(device);
  frozen.inside([](const std::string&, auto& part) {
    if constexpr (requires { part.freeze(); }) part.freeze();
  });
  frozen.forward(x, training);
  CHECK_FALSE(frozen.initialised());
}

TEST_CASE("ActNorm refuses other channels") {
  Cpu device;
  CHECK_THROWS_WITH(norm(device).output_shape({1, 2, 2, 4}),
                    containing("ActNorm: x is 1x2x2x4 but must have 3 channels"));
}
