#include "retrace/layer/padding.hpp"

#include "retrace/layer/channel_pooling.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("Padding keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return Padding<T, Cpu>(4); };
  CHECK(check_layer(make, {{3, 5, 3, 2}, {2, 4, 8, 3}, {1, 1, 1, 1}}, {.agreement = 0}) == "");
}

TEST_CASE("Padding adds zeros below and to the right") {
  Cpu device;
  AnyLayer<float> layer = Padding<float, Cpu>(2);
  auto x = tensor<float>(device, {1, 3, 1, 1}, {1, 2, 3});
  layer.forward(x, training);
  CHECK(x.shape() == Shape{1, 4, 2, 1});
  CHECK(values(x) == Values{1, 0, 2, 0, 3, 0, 0, 0});
  auto dy = tensor<float>(device, x.shape(), {1, 2, 3, 4, 5, 6, 7, 8});
  layer.backward(x, dy);
  CHECK(dy.shape() == Shape{1, 3, 1, 1});
  CHECK(values(dy) == Values{1, 3, 5});
}

TEST_CASE("a padded network takes images of any size") {
  Cpu device;
  Chain<double, Cpu> net;
  net.add("padding", Padding<double, Cpu>(4));
  net.add("pool0", ChannelPooling<double, Cpu>()).add("pool1", ChannelPooling<double, Cpu>());
  auto x = normal<double>(device, {2, 7, 5, 3}), dx = normal<double>(device, {2, 2, 2, 48});
  const Values before = values(x);
  net.forward(x, training);
  CHECK(x.shape() == Shape{2, 2, 2, 48});
  net.backward(x, dx);
  CHECK(dx.shape() == Shape{2, 7, 5, 3});
  CHECK(values(x) == before);
}

TEST_CASE("Padding refuses what does not fit") {
  Cpu device;
  const auto make = [](Index multiple) { Padding<float, Cpu>{multiple}; };
  CHECK_THROWS_WITH(make(0), "Padding: the multiple must be positive, got 0");
  auto x = normal<float>(device, {1, 2, 2, 4}), y = normal<float>(device, {1, 4, 4, 2});
  Padding<float, Cpu> padding(4);
  CHECK_THROWS_WITH(padding.apply(y.view(), x.view().channels(0, 2), training, Store::set),
                    containing("a view of some of the channels"));
}
