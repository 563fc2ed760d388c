#include "retrace/layer/channel_pooling.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("ChannelPooling keeps the contract of a layer, bit for bit") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return ChannelPooling<T, Cpu>(); };
  CHECK(check_layer(make, {{3, 4, 6, 5}, {1, 10, 2, 16}, {1, 2, 2, 1}}, {.agreement = 0}) == "");
}

TEST_CASE("ChannelPooling moves the pixels of a window into its channels") {
  Cpu device;
  const auto x = normal<double>(device, {2, 4, 6, 3});
  auto y = clone(x);
  ChannelPooling<double, Cpu>().forward(y, training);
  REQUIRE(y.shape() == Shape{2, 2, 3, 12});
  bool same = true;
  for (Index n = 0; n < 2; ++n)
    for (Index i = 0; i < 4; ++i)
      for (Index j = 0; j < 6; ++j)
        for (Index c = 0; c < 3; ++c) {
          const Index channel = (2 * (i % 2) + j % 2) * 3 + c;
          same = same && x.view().pixel((n * 4 + i) * 6 + j)[c] ==
                             y.view().pixel((n * 2 + i / 2) * 3 + j / 2)[channel];
        }
  CHECK(same);
}

TEST_CASE("ChannelPooling keeps nothing") {
  Cpu device;
  AnyLayer<float> layer = ChannelPooling<float, Cpu>();
  CHECK(kept_bytes(layer, normal<float>(device, {2, 4, 6, 5})) == 0);
}

TEST_CASE("ChannelPooling refuses what it cannot pool") {
  Cpu device;
  ChannelPooling<float, Cpu> layer;
  auto odd = normal<float>(device, {2, 7, 8, 16}), six = normal<float>(device, {2, 4, 4, 6});
  auto y = normal<float>(device, {2, 4, 4, 16}), dy = normal<float>(device, {2, 4, 4, 8});
  CHECK_THROWS_WITH(layer.forward(odd, training),
                    "ChannelPooling: 2x7x8x16 cannot be halved: height and width must be even");
  CHECK_THROWS_WITH(
      layer.inverse(six, training),
      "ChannelPooling: y is 2x4x4x6 but its number of channels must be a multiple of 4");
  CHECK_THROWS_WITH(layer.backward(y, dy), "ChannelPooling: y is 2x4x4x16 but dy is 2x4x4x8");
}
