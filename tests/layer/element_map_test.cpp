#include "retrace/layer/element_map.hpp"

#include "retrace/cpu/flow_maps.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a sigmoid of every element keeps the contract of a layer of a flow") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> {
    return ElementMap<T, Cpu, maps::Sigmoid>();
  };
  CHECK(check_layer(make, {{2, 3, 2, 3}, {1, 1, 1, 5}}, {64, 64, 64}) == "");
}
TEST_CASE("a sigmoid that is rounded to 0 or 1 has a finite inverse") {
  Cpu device;
  for (const float x : {-1e4f, -104.f, -90.f, 17.f, 40.f, 1e4f}) {
    Tensor<float, Cpu> value(device, {1, 1, 1, 1});
    value.data()[0] = x;
    ElementMap<float, Cpu, maps::Sigmoid> sigmoid;
    LogDet<Cpu> log_det(device, 1);
    sigmoid.forward(value, training);
    sigmoid.inverse(value, training, &log_det);
    CHECK(std::isfinite(log_det.value.data()[0]));
    CHECK(value.data()[0] == Approx(std::clamp(x, -87.34f, 16.64f)).epsilon(0.001));
  }
}
TEST_CASE("a logit is the inverse of its share of a sigmoid, with the negative log-determinant") {
  Cpu device;
  ElementMap<double, Cpu, maps::Logit> logit(maps::Logit{0.1});
  auto x = normal<double>(device, {3, 2, 2, 1});
  for (Index i = 0; i < 12; ++i) x.data()[i] = (double(i) + 0.25) / 12;
  x.data()[0] = 0;
  x.data()[11] = 1;
  AnyLayer<double> layer = logit;
  CHECK(contract::check_log_det(layer, x) == "");
  CHECK(check_inverse(layer, x, 64) == "");
  CHECK(check_gradients(layer, x) == "");
  CHECK_THROWS_AS((ElementMap<double, Cpu, maps::Logit>(maps::Logit{0.5})), std::invalid_argument);
}
