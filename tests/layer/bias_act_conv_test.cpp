#include "retrace/layer/bias_act_conv.hpp"

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("a bias with activation and convolution keeps the contract") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    Random random(2);
    return BiasActConv<T, Cpu>(device, 3, 5, random, {}, {.slope = 0.2});
  };
  CHECK(check_layer(make, {{2, 4, 3, 3}, {1, 5, 5, 3}}, {.agreement = 128}) == "");
}
TEST_CASE("a bias with an activation keeps the contract") {
  const auto make = []<class T>(Cpu& device) -> AnyLayer<T> {
    return ChannelBias<T, Cpu>(device, 3, {.slope = 0.2});
  };
  CHECK(check_layer(make, {{2, 4, 3, 3}, {1, 5, 5, 3}}, {.agreement = 64}) == "");
}
