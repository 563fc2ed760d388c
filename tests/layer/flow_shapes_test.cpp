// Layers of flows that permute, reshape and scale.
#include "retrace/layer/channel_permutation.hpp"
#include "retrace/layer/channel_unpooling.hpp"
#include "retrace/layer/element_scale.hpp"
#include "retrace/layer/flatten.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a channel permutation keeps the contract, in reverse and at random") {
  for (std::uint64_t seed : {0u, 5u}) {
    const auto make = [=]<class T>(Cpu&) -> AnyLayer<T> {
      return ChannelPermutation<T, Cpu>(5, seed);
    };
    CHECK(check_layer(make, {{2, 3, 2, 5}, {1, 1, 1, 5}}, {}) == "");
  }
  Cpu device;
  ChannelPermutation<double, Cpu> reverse(3);
  auto x = tensor<double>(device, {1, 1, 1, 3}, {1, 2, 3});
  reverse.forward(x, inference);
  CHECK(values(x) == Values{3, 2, 1});
}

TEST_CASE("a scale of every element keeps the contract, and refuses other images") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return ElementScale<T, Cpu>(device, {1, 2, 3, 2});
  };
  CHECK(check_layer(make, {{3, 2, 3, 2}, {1, 2, 3, 2}}, {8, 8, 64}) == "");
  Cpu device;
  auto x = normal<double>(device, {1, 3, 2, 2});
  ElementScale<double, Cpu> layer(device, {1, 2, 3, 2});
  CHECK_THROWS_WITH(layer.forward(x, inference),
                    containing("ElementScale: an image is 1x3x2x2 but the scale is 1x2x3x2"));
  CHECK_THROWS_AS(layer.output_shape({1, 2, 3, 3}), ShapeError);
}

TEST_CASE("flattening keeps the contract, and refuses other images") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return Flatten<T, Cpu>({1, 2, 3, 2}); };
  CHECK(check_layer(make, {{3, 2, 3, 2}, {1, 2, 3, 2}}, {}) == "");
  Cpu device;
  auto x = normal<double>(device, {1, 3, 2, 2});
  Flatten<double, Cpu> layer({1, 2, 3, 2});
  CHECK_THROWS_AS(layer.forward(x, inference), ShapeError);
  CHECK_THROWS_AS(layer.output_shape({1, 2, 3, 3}), ShapeError);
}
