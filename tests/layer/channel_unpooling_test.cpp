#include "retrace/layer/channel_unpooling.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("ChannelUnpooling keeps the contract of a layer, bit for bit") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return ChannelUnpooling<T, Cpu>(); };
  CHECK(check_layer(make, {{3, 2, 3, 20}, {1, 5, 1, 64}, {1, 1, 1, 4}}, {.agreement = 0}) == "");
}

TEST_CASE("ChannelUnpooling is the inverse of ChannelPooling") {
  Cpu device;
  const auto x = normal<double>(device, {2, 4, 6, 3});
  auto y = clone(x);
  ChannelPooling<double, Cpu>().forward(y, training);
  ChannelUnpooling<double, Cpu>().forward(y, training);
  CHECK(y.shape() == x.shape());
  CHECK(same_bits(values(x), values(y)));
}

TEST_CASE("ChannelUnpooling stores nothing") {
  Cpu device;
  AnyLayer<float> layer = ChannelUnpooling<float, Cpu>();
  CHECK(kept_bytes(layer, normal<float>(device, {2, 2, 3, 20})) == 0);
}

TEST_CASE("ChannelUnpooling refuses what it cannot unpool") {
  Cpu device;
  ChannelUnpooling<float, Cpu> layer;
  auto six = normal<float>(device, {2, 4, 4, 6}), odd = normal<float>(device, {2, 3, 4, 2});
  auto y = normal<float>(device, {2, 4, 4, 1}), dy = normal<float>(device, {2, 4, 4, 2});
  CHECK_THROWS_WITH(
      layer.forward(six, training),
      "ChannelUnpooling: x is 2x4x4x6 but its number of channels must be a multiple of 4");
  CHECK_THROWS_WITH(layer.inverse(odd, training),
                    "ChannelUnpooling: 2x3x4x2 cannot be halved: height and width must be even");
  CHECK_THROWS_WITH(layer.backward(y, dy), "ChannelUnpooling: y is 2x4x4x1 but dy is 2x4x4x2");
}
