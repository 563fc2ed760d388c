#include "retrace/layer/layer_norm.hpp"

#include "retrace/cpu/operations.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("LayerNorm and RmsNorm keep the contract of a layer") {
  const std::vector<Shape> shapes{{2, 1, 5, 19}, {1, 1, 30, 19}};
  CHECK(
      check_layer([]<class T>(Cpu& device) -> AnyLayer<T> { return LayerNorm<T, Cpu>(device, 19); },
                  shapes, {}) == "");
  CHECK(check_layer([]<class T>(Cpu& device) -> AnyLayer<T> { return RmsNorm<T, Cpu>(device, 19); },
                    shapes, {}) == "");
}

TEST_CASE("LayerNorm and RmsNorm are their equations") {
  Cpu device(1);
  LayerNorm<double, Cpu> layer(device, 3);
  RmsNorm<double, Cpu> rms(device, 3, 0);
  assign(layer.gamma().value.view(), {1, 2, -1});
  assign(layer.beta().value.view(), {0, 1, 5});
  assign(rms.gamma().value.view(), {1, 2, -1});
  const auto x = tensor<double>(device, {1, 1, 2, 3}, {1, 2, 3, 4, 4, 4});
  Tensor<double, Cpu> y(device, x.shape());
  layer.apply(y.view(), x.view(), training, Store::set);
  const double z = 1 / std::sqrt(2.0 / 3 + 1e-5);
  CHECK(relative_distance(values(y), {-z, 1, 5 - z, 0, 1, 5}) < 1e-14);
  rms.apply(y.view(), x.view(), training, Store::set);
  const double r = std::sqrt(14.0 / 3);
  CHECK(relative_distance(values(y), {1 / r, 4 / r, -3 / r, 1, 2, -1}) < 1e-14);
}

TEST_CASE("A normalisation of positions treats each by itself") {
  Cpu device(2);
  LayerNorm<float, Cpu> layer(device, 37);
  const auto x = normal<float>(device, {3, 1, 50, 37});
  Tensor<float, Cpu> y(device, x.shape()), one(device, {1, 1, 1, 37});
  layer.apply(y.view(), x.view(), training, Store::set);
  const View<const float, Cpu> from(device, x.data() + 77 * 37, {1, 1, 1, 37}, 37);
  layer.apply(one.view(), from, training, Store::set);
  const Values all = values(y);
  CHECK(same_bits(values(one), Values(all.begin() + 77 * 37, all.begin() + 78 * 37)));
}

TEST_CASE("LayerNorm completes its gradients after it has used gamma") {
  Cpu device(1);
  const auto dx_of = [&](bool updates) {
    LayerNorm<double, Cpu> layer(device, 3);
    if (updates) layer.gamma().on_complete = [](auto& gamma) { fill(gamma.value.view(), 7.0); };
    const auto x = normal<double>(device, {2, 1, 4, 3}), dy = normal<double>(device, x.shape(), 2);
    Tensor<double, Cpu> dx(device, x.shape());
    layer.gradient(x.view(), dy.view(), dx.view(), Store::set);
    CHECK((values(layer.gamma().value)[0] == 7) == updates);
    return values(dx);
  };
  CHECK(same_bits(dx_of(true), dx_of(false)));
}

TEST_CASE("LayerNorm refuses other channels") {
  Cpu device;
  LayerNorm<float, Cpu> layer(device, 4);
  CHECK_THROWS_WITH(layer.output_shape({1, 1, 2, 5}),
                    "LayerNorm: x is 1x1x2x5 but must have 4 channels");
}
