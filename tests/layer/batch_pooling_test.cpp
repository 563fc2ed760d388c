#include "retrace/layer/batch_pooling.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("BatchPooling keeps the contract of a layer, bit for bit") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return BatchPooling<T, Cpu>(); };
  CHECK(check_layer(make, {{3, 4, 6, 5}, {1, 10, 2, 16}, {1, 2, 2, 1}}, {.agreement = 0}) == "");
}

TEST_CASE("BatchPooling cuts an image into four that stay together") {
  Cpu device;
  const auto x = normal<double>(device, {2, 4, 6, 3});
  auto y = clone(x);
  BatchPooling<double, Cpu>().forward(y, training);
  REQUIRE(y.shape() == Shape{8, 2, 3, 3});
  bool same = true;
  for (Index n = 0; n < 2; ++n)
    for (Index i = 0; i < 4; ++i)
      for (Index j = 0; j < 6; ++j)
        for (Index c = 0; c < 3; ++c) {
          const Index image = 4 * n + 2 * (i % 2) + j % 2;
          same = same && x.view().pixel((n * 4 + i) * 6 + j)[c] ==
                             y.view().pixel((image * 2 + i / 2) * 3 + j / 2)[c];
        }
  CHECK(same);
}

TEST_CASE("BatchPooling keeps nothing") {
  Cpu device;
  AnyLayer<float> layer = BatchPooling<float, Cpu>();
  CHECK(kept_bytes(layer, normal<float>(device, {2, 4, 6, 5})) == 0);
}

TEST_CASE("BatchPooling refuses what it cannot pool") {
  Cpu device;
  BatchPooling<float, Cpu> layer;
  auto odd = normal<float>(device, {2, 8, 7, 16}), six = normal<float>(device, {6, 4, 4, 2});
  auto y = normal<float>(device, {4, 4, 4, 16}), dy = normal<float>(device, {4, 4, 4, 8});
  CHECK_THROWS_WITH(layer.forward(odd, training),
                    "BatchPooling: 2x8x7x16 cannot be halved: height and width must be even");
  CHECK_THROWS_WITH(layer.inverse(six, training),
                    "BatchPooling: y is 6x4x4x2 but its number of images must be a multiple of 4");
  CHECK_THROWS_WITH(layer.backward(y, dy), "BatchPooling: y is 4x4x4x16 but dy is 4x4x4x8");
}
