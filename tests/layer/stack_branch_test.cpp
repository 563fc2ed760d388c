#include "retrace/layer/stack_branch.hpp"

#include "retrace/layer/conv2d.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Three convolutions: 4 to 6 to 5 to 3 channels.
StackBranch<Conv2d<double, Cpu>> stack(Cpu& device) {
  using Conv = Conv2d<double, Cpu>;
  Random random(1);
  Conv first(device, 4, 6, random), second(device, 6, 5, random, {.kernel = 1});
  return StackBranch<Conv>(std::move(first), std::move(second), Conv(device, 5, 3, random));
}

}  // namespace

TEST_CASE("StackBranch adds its value to the target and differentiates it") {
  Cpu device;
  auto branch = stack(device);
  const auto source = normal<double>(device, {2, 3, 5, 4});
  auto target = normal<double>(device, {2, 3, 5, 3}, 2);
  const Values before = values(target);

  // The same stages one by one.
  Tensor<double, Cpu> a(device, {2, 3, 5, 6}), b(device, {2, 3, 5, 5}), c(device, {2, 3, 5, 3});
  branch.stage(0).apply(a.view(), source.view(), training, Store::set);
  branch.stage(1).apply(b.view(), a.view(), training, Store::set);
  branch.stage(2).apply(c.view(), b.view(), training, Store::set);
  auto expected = clone(target);
  add(expected.view(), c.view());
  branch.add_to(target.view(), source.view(), training, Store::add);
  CHECK(same_bits(values(target), values(expected)));

  const auto dtarget = normal<double>(device, {2, 3, 5, 3}, 3);
  auto dsource = normal<double>(device, {2, 3, 5, 4}, 4), expected_gradient = clone(dsource);
  branch.differentiate(source.view(), dtarget.view(), dsource.view());
  Tensor<double, Cpu> da(device, a.shape()), db(device, b.shape());
  branch.stage(2).gradient(b.view(), dtarget.view(), db.view(), Store::set);
  branch.stage(1).gradient(a.view(), db.view(), da.view(), Store::set);
  branch.stage(0).gradient(source.view(), da.view(), expected_gradient.view(), Store::add);
  CHECK(same_bits(values(dsource), values(expected_gradient)));

  branch.add_to(target.view(), source.view(), preview(training), Store::subtract);
  CHECK(distance_in_roundings<double>(values(target), before) <= 2);
}

TEST_CASE("StackBranch keeps what lies between its stages until it is differentiated") {
  Cpu device;
  auto branch = stack(device);
  const auto source = normal<double>(device, {2, 3, 5, 4});
  auto target = normal<double>(device, {2, 3, 5, 3}), dsource = clone(source);
  const std::size_t before = device.memory().live().total();
  branch.add_to(target.view(), source.view(), preview(training), Store::add);
  CHECK(device.memory().live().total() == before);
  branch.add_to(target.view(), source.view(), training, Store::add);
  CHECK(device.memory().live().total() == before + 30 * (6 + 5) * sizeof(double));
  branch.differentiate(source.view(), target.view(), dsource.view());
  CHECK(device.memory().live().total() == before);
  branch.add_to(target.view(), source.view(), training, Store::add);
  branch.abandon();
  CHECK(device.memory().live().total() == before);
}

TEST_CASE("StackBranch names its stages") {
  Cpu device;
  auto branch = stack(device);
  ParameterList<double, Cpu> list;
  branch.collect("f", list);
  REQUIRE(list.parameters.size() == 3);
  CHECK(list.parameters[0].name == "f.conv0.weight");
  CHECK(list.parameters[2].name == "f.conv2.weight");
  CHECK(list.count() == 9 * 24 + 30 + 9 * 15);
}

TEST_CASE("StackBranch refuses what does not fit") {
  Cpu device;
  auto branch = stack(device);
  const auto source = normal<double>(device, {2, 3, 5, 4}),
             narrow = normal<double>(device, {2, 3, 5, 2});
  auto target = normal<double>(device, {2, 3, 5, 3}), wide = normal<double>(device, {2, 3, 5, 4});
  CHECK_THROWS_WITH(branch.add_to(wide.view(), source.view(), training, Store::add),
                    "StackBranch::add_to: target is 2x3x5x4 but the branch's value is 2x3x5x3");
  CHECK_THROWS_WITH(branch.add_to(target.view(), narrow.view(), training, Store::add),
                    "Conv2d::apply: x is 2x3x5x2 but has to have 4 channels");
  CHECK_THROWS_WITH(branch.differentiate(source.view(), target.view(), wide.view()),
                    "StackBranch::differentiate: no evaluation was kept");
}
