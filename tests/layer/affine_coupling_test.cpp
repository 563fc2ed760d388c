#include "retrace/layer/affine_coupling.hpp"

#include "retrace/cpu/affine.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// `growth` 2 makes branches of scale and shift, 1 of scale alone.
template <class T>
AffineCoupling<Branch<T, Cpu>> coupling(Cpu& device, Index growth, double bound) {
  Random random(5);
  const ConvOptions kernel{.kernel = 3};
  const NormOptions norm{.activation = identity};
  const auto branch = [&] {
    NormActConv<T, Cpu> first(device, 3, 4, random, kernel, norm);
    return branch_of(std::move(first),
                     NormActConv<T, Cpu>(device, 4, 3 * growth, random, kernel, norm));
  };
  auto f = branch();
  return {std::move(f), branch(), bound};
}

TEST_CASE("an affine coupling keeps the contract") {
  const auto make = []<class T>(Cpu& device) { return coupling<T>(device, 2, 0.2); };
  CHECK(check_layer(make, {{2, 5, 3, 6}, {1, 4, 4, 6}}, {512, 512, 4096}) == "");
}
TEST_CASE("a multiplicative coupling keeps the contract") {
  const auto make = []<class T>(Cpu& device) { return coupling<T>(device, 1, 0.2); };
  CHECK(check_layer(make, {{2, 5, 3, 6}, {1, 4, 4, 6}}, {512, 512, 4096}) == "");
}

TEST_CASE("the mode of an affine coupling decides what it and its branches store") {
  Cpu device;
  AnyLayer<double> layer = coupling<double>(device, 2, 0.2);
  const auto x = normal<double>(device, {2, 5, 3, 6});
  const std::size_t pixel = 2 * 5 * 3 * sizeof(double);
  for (Mode mode : {Mode::reversible, Mode::inverted, Mode::chunked}) {
    layer.set_mode(mode);
    CHECK(kept_bytes(layer, x) == 0);
  }
  layer.set_mode(Mode::stored);
  CHECK(kept_bytes(layer, x) == (6 + 3 + 2 * (6 + 4)) * pixel);  // x, y1; (s, t) and an inside
}

TEST_CASE("a chunked affine coupling needs the insides of one image at a time") {
  Cpu device(1);
  std::size_t peaks[2];
  for (Mode mode : {Mode::reversible, Mode::chunked}) {
    auto layer = coupling<double>(device, 2, 0.2);
    inside::set_mode(layer, mode);
    inside::set_chunk(layer, 1);
    auto y = normal<double>(device, {16, 16, 16, 6}), dy = clone(y, Use::gradient);
    layer.forward(y, training);
    const std::size_t before = device.memory().live().total();
    device.memory().restart_peak();
    layer.backward(y, dy);
    peaks[mode == Mode::chunked] = device.memory().peak().total() - before;
  }
  const std::size_t inside_of_batch = 16 * 16 * 16 * 4 * sizeof(double);
  CHECK(peaks[1] + inside_of_batch <= peaks[0]);
}

TEST_CASE("the scale of an affine coupling is bounded") {
  for (double s : {-1e9, -3.0, 0.0, 3.0, 1e9}) {
    CHECK(math::bounded_scale(s, 0.7) >= std::exp(-0.7));
    CHECK(math::bounded_scale(s, 0.7) <= std::exp(0.7));
  }
}

TEST_CASE("an affine coupling refuses what it cannot do") {
  Cpu device;
  CHECK_THROWS_AS(coupling<float>(device, 2, 0), std::invalid_argument);
  auto layer = coupling<float>(device, 2, 1);
  auto odd = normal<float>(device, {2, 4, 4, 5});
  CHECK_THROWS_AS(layer.forward(odd, training), ShapeError);
  auto trebling = coupling<float>(device, 3, 1);
  auto x = normal<float>(device, {2, 4, 4, 6});
  CHECK_THROWS_AS(trebling.forward(x, training), ShapeError);
}

}  // namespace
