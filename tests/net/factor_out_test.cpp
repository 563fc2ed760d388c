#include "retrace/net/factor_out.hpp"

#include "retrace/layer/channel_unpooling.hpp"
#include "retrace/layer/invertible_conv.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
Chain<T, Cpu> inner(Cpu& device, bool unsqueezes = true) {
  Chain<T, Cpu> chain;
  chain.add("squeeze", ChannelPooling<T, Cpu>()).add("conv", InvertibleConv<T, Cpu>(device, 8, 1));
  if (unsqueezes) chain.add("unsqueeze", ChannelUnpooling<T, Cpu>());
  return chain;
}

}  // namespace

TEST_CASE("a part of the channels in an inner chain keeps the contract of a layer of a flow") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return FactorOut<T, Cpu>(inner<T>(device), 2);
  };
  CHECK(check_layer(make, {{2, 2, 4, 5}, {1, 4, 2, 3}}, {64, 64, 256}) == "");
}

TEST_CASE("the channels that are factored out stay where they are") {
  Cpu device;
  FactorOut<double, Cpu> layer(inner<double>(device), 2);
  const auto x = normal<double>(device, {2, 2, 2, 3});
  auto y = clone(x);
  layer.forward(y, inference);
  for (Index i = 0; i < 24; ++i) CHECK((y.data()[i] == x.data()[i]) == (i % 3 == 2));
}

TEST_CASE("an inner chain must keep the shape of its part, of channels that exist") {
  Cpu device;
  const FactorOut<double, Cpu> squeezed(inner<double>(device, false), 2);
  CHECK_THROWS_WITH(squeezed.output_shape({1, 2, 2, 3}),
                    containing("FactorOut: its part of x is 1x2x2x2 but the output of the inner "
                               "chain is 1x1x1x8"));
  const FactorOut<double, Cpu> wide(inner<double>(device), 2);
  CHECK_THROWS_WITH(wide.output_shape({1, 2, 2, 1}),
                    containing("x has 1 channels but the inner chain takes 2"));
}
