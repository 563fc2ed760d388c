#include "retrace/layer/swap_coupling.hpp"

#include "retrace/cpu/affine.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
SwapCoupling<Branch<T, Cpu>> coupling(Cpu& device) {
  Random random(5);
  const auto stage = [&] {
    return NormActConv<T, Cpu>(device, 3, 3, random, {}, {.activation = leaky_relu(0.5)});
  };
  auto first = stage();
  return SwapCoupling(branch_of(std::move(first), stage()));
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

TEST_CASE("the mode of a swap coupling decides what it and its branch store") {
  Cpu device;
  AnyLayer<double> layer = coupling<double>(device);
  const auto x = normal<double>(device, {2, 5, 3, 6});
  const std::size_t half = 2 * 5 * 3 * 3 * sizeof(double);
  for (Mode mode : {Mode::reversible, Mode::inverted, Mode::chunked}) {
    layer.set_mode(mode);
    CHECK(kept_bytes(layer, x) == 0);
  }
  layer.set_mode(Mode::stored);
  CHECK(kept_bytes(layer, x) == 3 * half);  // x1, x2 and what lies inside the branch
  Run careless = training;
  careless.restore = false;
  CHECK(kept_bytes(layer, x, careless) == 2 * half);
}

TEST_CASE("a swap coupling refuses odd channels") {
  Cpu device;
  auto layer = coupling<float>(device);
  auto x = normal<float>(device, {2, 4, 4, 5});
  CHECK_THROWS_AS(layer.forward(x, training), ShapeError);
}

}  // namespace
