#include "retrace/layer/swap_coupling.hpp"

#include "retrace/cpu/affine.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "retrace/layer/stack_branch.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

namespace retrace::test {
namespace {

template <class T>
SwapCoupling<StackBranch<NormActConv<T, Cpu>>> coupling(Cpu& device) {
  Random random(5);
  const auto stage = [&] {
    return NormActConv<T, Cpu>(device, 3, 3, random, {}, {.activation = leaky_relu(0.5)});
  };
  auto first = stage();
  return SwapCoupling(StackBranch(std::move(first), stage()));
}

TEST_CASE("a swap coupling keeps the contract") {
  const auto make = []<class T>(Cpu& device) { return coupling<T>(device); };
  CHECK(check_layer(make, {{2, 5, 3, 6}, {1, 4, 4, 6}}, {64, 64, 4096}) == "");
}

TEST_CASE("a swap coupling passes its second half on") {
  Cpu device;
  auto layer = coupling<float>(device);
  auto x = normal<float>(device, {2, 4, 4, 6});
  const Values second = values(halves(x.view()).second);
  layer.forward(x, training);
  CHECK(same_bits(values(halves(x.view()).first), second));
}

TEST_CASE("a swap coupling refuses odd channels") {
  Cpu device;
  auto layer = coupling<float>(device);
  auto x = normal<float>(device, {2, 4, 4, 5});
  CHECK_THROWS_AS(layer.forward(x, training), ShapeError);
}

}  // namespace
}  // namespace retrace::test
