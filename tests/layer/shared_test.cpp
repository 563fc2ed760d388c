#include "retrace/layer/shared.hpp"

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "retrace/layer/relu.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
Branch<T, Cpu> branch(Cpu& device) {
  Random random(1);
  Conv2d<T, Cpu> first(device, 3, 4, random);
  Branch<T, Cpu> stages = branch_of(std::move(first));
  stages.add("relu", Relu<T, Cpu>()).add("conv1", Conv2d<T, Cpu>(device, 4, 3, random));
  return stages;
}

/// Two couplings around one branch, which is used four times.
template <class T>
Chain<T, Cpu> four_uses(Cpu& device) {
  Shared shared(branch<T>(device));
  Chain<T, Cpu> chain;
  for (const char* name : {"block0", "block1"})
    chain.add(name, AdditiveCoupling(shared.use(), shared.use()));
  return chain;
}

}  // namespace

TEST_CASE("a coupling of a shared branch keeps the contract of a layer") {
  const Mode mode = GENERATE(Mode::stored, Mode::reversible, Mode::chunked);
  CAPTURE(mode);
  const auto make = [=]<class T>(Cpu& device) {
    Shared shared(branch<T>(device));
    AdditiveCoupling layer(shared.use(), shared.use());
    inside::set_mode(layer, mode);
    inside::set_chunk(layer, 1);
    return AnyLayer<T>(std::move(layer));
  };
  CHECK(check_layer(make, {{3, 5, 3, 6}},
                    {.inverse = 16, .restored = 16, .agreement = 512, .added = 16}) == "");
}

TEST_CASE("gradients of weights that are shared across layers are the slopes, in every mode") {
  Cpu device;
  const Mode mode = GENERATE(Mode::stored, Mode::reversible, Mode::inverted, Mode::chunked);
  CAPTURE(mode);
  AnyLayer<double> layer = four_uses<double>(device);
  layer.set_mode(mode);
  const auto x = spread<double>(device, {3, 5, 3, 6});
  CHECK(check_gradients(layer, x) == "");
  CHECK(check_completion(layer, x) == "");
  CHECK(check_frozen(layer, x) == "");
}

TEST_CASE("a shared parameter is listed, counted and zeroed once, by its first name") {
  Cpu device;
  auto chain = four_uses<double>(device);
  const auto list = chain.parameters();
  REQUIRE(list.parameters.size() == 2);
  CHECK(list.parameters[0].name == "block0.f.conv0.weight");
  CHECK(list.parameters[1].name == "block0.f.conv1.weight");
  CHECK(list.count() == 2 * 9 * 3 * 4);
  CHECK(device.memory().live()[Use::parameter] == 2 * 9 * 3 * 4 * sizeof(double));
}

TEST_CASE("an abandoned pass leaves the count of uses as it was") {
  Cpu device;
  Shared shared(branch<double>(device));
  AnyLayer<double> layer = AdditiveCoupling(shared.use(), shared.use());
  const auto x = spread<double>(device, {3, 5, 3, 6});
  int completed = 0;
  layer.parameters().parameters[0].parameter->on_complete = [&](auto&) { ++completed; };
  auto y = clone(x);
  layer.forward(y, training);
  layer.abandon();
  pass(layer, x);
  CHECK(completed == 1);
  { const auto third = shared.use(); }  // gone again
  pass(layer, x);
  CHECK(completed == 2);
}

TEST_CASE("a shared stage that records its input is refused by name") {
  Cpu device;
  Random random(1);
  Shared shared(NormActConv<double, Cpu>(device, 3, 3, random));
  Chain<double, Cpu> chain;
  chain.add("block0", AdditiveCoupling(shared.use(), shared.use()));
  CHECK_THROWS_WITH(chain.parameters(),
                    containing("block0.g.norm and block0.f.norm are one normalisation"));
  CHECK_THROWS_AS(chain.parameters(), std::invalid_argument);
  auto x = normal<double>(device, {2, 5, 3, 6});
  CHECK_THROWS_WITH(chain.forward(x, training),
                    "block0.g: NormActConv: a normalisation by batch statistics is used twice in "
                    "one pass, but records the statistics of one input only");

  Shared dropout(Dropout<double, Cpu>(0.5, 1));
  Chain<double, Cpu> dropping;
  dropping.add("block0", AdditiveCoupling(dropout.use(), dropout.use()));
  CHECK_THROWS_WITH(dropping.forward(x, training),
                    containing("block0.g: Dropout: it is used twice in one pass"));
}
