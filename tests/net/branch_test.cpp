#include "retrace/net/branch.hpp"

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/invertible_batch_norm.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Three convolutions: 4 to 6 to 5 to 3 channels.
std::array<Conv2d<double, Cpu>, 3> convolutions(Cpu& device) {
  using Conv = Conv2d<double, Cpu>;
  Random random(1);
  Conv first(device, 4, 6, random), second(device, 6, 5, random, {.kernel = 1});
  return {std::move(first), std::move(second), Conv(device, 5, 3, random)};
}
Branch<double, Cpu> stack(Cpu& device) {
  auto [first, second, third] = convolutions(device);
  return branch_of(std::move(first), std::move(second), std::move(third));
}

/// The hybrid block: branches of invertible convolution, normalisation and activation.
template <class T>
AdditiveCoupling<Branch<T, Cpu>> hybrid_block(Cpu& device) {
  Random random(1);
  const auto branch = [&] {
    Branch<T, Cpu> chain;
    for (int i : {0, 1}) {
      Conv2d<T, Cpu> f(device, 2, 2, random), g(device, 2, 2, random);
      chain.add("conv" + std::to_string(i), AdditiveCoupling(std::move(f), std::move(g)))
          .add("norm" + std::to_string(i),
               InvertibleBatchNorm<T, Cpu>(device, 4, {.activation = leaky_relu(0.25)}));
    }
    return chain;
  };
  auto f = branch();
  return {std::move(f), branch()};
}

}  // namespace

TEST_CASE("a branch of stages adds its value to the target and differentiates it") {
  Cpu device;
  auto branch = stack(device);
  auto stages = convolutions(device);
  const auto source = normal<double>(device, {2, 3, 5, 4});
  auto target = normal<double>(device, {2, 3, 5, 3}, 2);
  const Values before = values(target);

  // The same stages one by one.
  Tensor<double, Cpu> a(device, {2, 3, 5, 6}), b(device, {2, 3, 5, 5}), c(device, {2, 3, 5, 3});
  const auto const_a = std::as_const(a).view(), const_b = std::as_const(b).view();
  stages[0].apply(a.view(), source.view(), training, Store::set);
  stages[1].apply(b.view(), const_a, training, Store::set);
  stages[2].apply(c.view(), const_b, training, Store::set);
  auto expected = clone(target);
  add(expected.view(), c.view());
  branch.apply(target.view(), source.view(), training, Store::add);
  CHECK(same_bits(values(target), values(expected)));

  const auto dtarget = normal<double>(device, {2, 3, 5, 3}, 3);
  auto dsource = normal<double>(device, {2, 3, 5, 4}, 4), expected_gradient = clone(dsource);
  branch.gradient(source.view(), dtarget.view(), dsource.view(), Store::add);
  Tensor<double, Cpu> da(device, a.shape()), db(device, b.shape());
  stages[2].gradient(const_b, dtarget.view(), db.view(), Store::set);
  stages[1].gradient(const_a, std::as_const(db).view(), da.view(), Store::set);
  stages[0].gradient(source.view(), std::as_const(da).view(), expected_gradient.view(), Store::add);
  CHECK(same_bits(values(dsource), values(expected_gradient)));

  branch.apply(target.view(), source.view(), preview(training), Store::subtract);
  CHECK(distance_in_roundings<double>(values(target), before) <= 2);
}

TEST_CASE("a branch stores what lies between its stages until gradient") {
  Cpu device;
  auto branch = stack(device);
  const auto source = normal<double>(device, {2, 3, 5, 4});
  auto target = normal<double>(device, {2, 3, 5, 3}), dsource = clone(source);
  const std::size_t before = device.memory().live().total();
  branch.apply(target.view(), source.view(), preview(training), Store::add);
  CHECK(device.memory().live().total() == before);
  branch.apply(target.view(), source.view(), training, Store::add);
  CHECK(device.memory().live().total() == before + 30 * (6 + 5) * sizeof(double));
  branch.gradient(source.view(), std::as_const(target).view(), dsource.view(), Store::add);
  CHECK(device.memory().live().total() == before);
  branch.apply(target.view(), source.view(), training, Store::add);
  branch.abandon();
  CHECK(device.memory().live().total() == before);
}

TEST_CASE("a branch that has stored nothing evaluates its stages again for the gradient") {
  Cpu device;
  auto branch = stack(device), same = stack(device);
  const auto source = normal<double>(device, {2, 3, 5, 4}),
             dtarget = normal<double>(device, {2, 3, 5, 3}, 3);
  auto target = normal<double>(device, {2, 3, 5, 3}, 2);
  Tensor<double, Cpu> dsource(device, source.shape()), expected(device, source.shape());
  same.apply(target.view(), source.view(), training, Store::set);
  same.gradient(source.view(), dtarget.view(), expected.view(), Store::set);
  const std::size_t before = device.memory().live().total();
  branch.apply(target.view(), source.view(), preview(training), Store::set);
  CHECK(device.memory().live().total() == before);
  branch.gradient(source.view(), dtarget.view(), dsource.view(), Store::set);
  CHECK(same_bits(values(dsource), values(expected)));
  CHECK(device.memory().live().total() == before);
}

TEST_CASE("a branch names its stages") {
  Cpu device;
  auto branch = stack(device);
  ParameterList<double, Cpu> list;
  branch.collect("f", list);
  REQUIRE(list.parameters.size() == 3);
  CHECK(list.parameters[0].name == "f.conv0.weight");
  CHECK(list.parameters[2].name == "f.conv2.weight");
  CHECK(list.count() == 9 * 24 + 30 + 9 * 15);
}

TEST_CASE("a branch refuses what does not fit") {
  Cpu device;
  auto branch = stack(device);
  const auto source = normal<double>(device, {2, 3, 5, 4}),
             narrow = normal<double>(device, {2, 3, 5, 2});
  auto target = normal<double>(device, {2, 3, 5, 3}), wide = normal<double>(device, {2, 3, 5, 4});
  CHECK_THROWS_WITH(branch.apply(wide.view(), source.view(), training, Store::add),
                    "Branch: y is 2x3x5x4 but the branch's output is 2x3x5x3");
  CHECK_THROWS_WITH(branch.apply(target.view(), narrow.view(), training, Store::add),
                    "conv0: Conv2d: x is 2x3x5x2 but must have 4 channels");
  Random random(1);
  CHECK_THROWS_WITH(branch.add("conv3", Conv2d<double, Cpu>(device, 4, 3, random)),
                    containing("conv3: Conv2d: x is") && containing("must have 4 channels"));
}

TEST_CASE("a block of branches of layers keeps the contract of a layer") {
  const Mode mode = GENERATE(Mode::stored, Mode::reversible, Mode::inverted, Mode::chunked);
  CAPTURE(mode);
  const auto make = [=]<class T>(Cpu& device) {
    AdditiveCoupling layer = hybrid_block<T>(device);
    inside::set_mode(layer, mode);
    inside::set_chunk(layer, 1);
    return AnyLayer<T>(std::move(layer));
  };
  CHECK(check_layer(make, {{3, 5, 3, 8}, {1, 4, 6, 8}},
                    {.inverse = 32,
                     .restored = 32,
                     .agreement = 4096,
                     .added = mode == Mode::chunked ? 16.0 : 0}) == "");
}

TEST_CASE("the modes of a branch of layers give the same gradients") {
  Cpu device;
  AnyLayer<double> layer = hybrid_block<double>(device);
  randomise(layer);
  const auto x = normal<double>(device, {3, 5, 4, 8});
  layer.set_mode(Mode::stored);
  pass(layer, x);
  PassValues stored = pass(layer, x);
  CHECK(kept_bytes(layer, x) > 0);
  for (Mode mode : {Mode::reversible, Mode::inverted}) {
    layer.set_mode(mode);
    PassValues result = pass(layer, x);
    result.buffers = stored.buffers;
    CHECK(compare(result, stored, mode == Mode::reversible ? 1e-13 : 1e-11) == "");
    CHECK(kept_bytes(layer, x) == 0);
  }
}

TEST_CASE("an inverted branch needs its half, the half's gradient and nothing that grows") {
  Cpu device;
  AdditiveCoupling block = hybrid_block<double>(device);
  std::size_t peaks[2];
  for (Mode mode : {Mode::reversible, Mode::inverted}) {
    inside::set_mode(block, mode);
    auto x = normal<double>(device, {3, 5, 4, 8}), dx = normal<double>(device, {3, 5, 4, 8}, 2);
    device.memory().restart_peak();
    const std::size_t before = device.memory().live().total();
    block.forward(x, training);
    block.backward(x, dx);
    Bytes peak = device.memory().peak();
    peaks[mode == Mode::inverted] = peak.total() - peak[Use::workspace] - before;
  }
  const std::size_t half = 3 * 5 * 4 * 4 * sizeof(double);
  CHECK(peaks[1] == 2 * half);
  CHECK(peaks[0] > peaks[1]);
}

TEST_CASE("a copy of a branch has the same values and mode, and gradients of its own") {
  Cpu device;
  auto branch = stack(device);
  Branch<double, Cpu> copy = branch;
  const auto source = normal<double>(device, {2, 3, 5, 4}),
             dtarget = normal<double>(device, {2, 3, 5, 3}, 3);
  Tensor<double, Cpu> y(device, dtarget.shape()), of_copy(device, dtarget.shape());
  auto dsource = clone(source);
  branch.apply(y.view(), source.view(), training, Store::set);
  copy.apply(of_copy.view(), source.view(), training, Store::set);
  CHECK(same_bits(values(y), values(of_copy)));
  copy.gradient(source.view(), dtarget.view(), dsource.view(), Store::set);
  CHECK(largest(values(copy.chain().parameters().parameters[0].parameter->gradient)) > 0);
  CHECK(largest(values(branch.chain().parameters().parameters[0].parameter->gradient)) == 0);
}
