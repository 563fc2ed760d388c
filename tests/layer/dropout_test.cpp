#include "retrace/layer/dropout.hpp"

#include <limits>

#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// What a layer makes of ones.
Values mask(Dropout<double, Cpu>& layer, Cpu& device, Shape shape, Run run) {
  auto x = tensor<double>(device, shape, Values(static_cast<std::size_t>(shape.size()), 1.0));
  layer.apply(x.view(), std::as_const(x).view(), run, Store::set);
  return values(x);
}

}  // namespace

TEST_CASE("Dropout keeps the contract of a layer under one mask") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return Dropout<T, Cpu>(0.3, 5); };
  CHECK(check_layer(make, {{2, 5, 3, 7}, {1, 4, 6, 16}}, {.agreement = 2, .random = true}) == "");
}

TEST_CASE("Dropout replays the mask of its last batch") {
  Cpu one(1), two(2);
  Dropout<double, Cpu> layer(0.4, 5), same(0.4, 5);
  const Shape shape{2, 5, 3, 7};
  const Values first = mask(layer, one, shape, preview(training));
  CHECK(mask(layer, one, shape, replay(training)) == first);
  CHECK(mask(layer, one, shape, replay(training)) == first);
  CHECK(mask(same, two, shape, training) == first);

  const Values second = mask(layer, one, shape, training);
  CHECK(second != first);
  CHECK(mask(layer, one, shape, replay(training)) == second);
  CHECK(mask(same, two, shape, training) == second);
}

TEST_CASE("Dropout draws another mask for another seed") {
  Cpu device;
  Dropout<double, Cpu> layer(0.5, 1), other(0.5, 2);
  CHECK(mask(layer, device, {1, 8, 8, 4}, training) != mask(other, device, {1, 8, 8, 4}, training));
}

TEST_CASE("Dropout drops a share of the elements and keeps their mean") {
  Cpu device;
  for (double rate : {0.0, 0.1, 0.5, 0.9}) {
    Dropout<double, Cpu> layer(rate, 3);
    const Values m = mask(layer, device, {4, 50, 50, 10}, training);
    const double count = static_cast<double>(m.size());
    const double dropped = static_cast<double>(std::count(m.begin(), m.end(), 0.0)) / count;
    CHECK(std::abs(dropped - rate) <= 4 * std::sqrt(rate * (1 - rate) / count));
    CHECK(std::count(m.begin(), m.end(), 0.0) + std::count(m.begin(), m.end(), 1 / (1 - rate)) ==
          static_cast<std::ptrdiff_t>(m.size()));
  }
}

TEST_CASE("Dropout leaves inference alone") {
  Cpu device;
  Dropout<double, Cpu> layer(0.5, 3);
  CHECK(mask(layer, device, {1, 4, 4, 4}, inference) == Values(64, 1.0));
}

TEST_CASE("Dropout draws for a chunk what it draws for the batch") {
  Cpu device;
  for (Index channels : {3, 4}) {  // chunks that begin within a block of four numbers, and not
    Dropout<double, Cpu> layer(0.5, 3);
    const Values whole = mask(layer, device, {5, 3, 3, channels}, training);
    Run run = replay(training);
    run.chunk = {2, 3};
    const Values part = mask(layer, device, {3, 3, 3, channels}, run);
    CHECK(part == Values(whole.end() - std::ssize(part), whole.end()));
    auto y = normal<double>(device, {3, 3, 3, channels}), dy = clone(y);
    layer.gradient(std::as_const(y).view(), std::as_const(dy).view(), dy.view(), Store::set);
    Values expected = values(normal<double>(device, {3, 3, 3, channels}));
    for (std::size_t i = 0; i < expected.size(); ++i) expected[i] *= part[i];
    CHECK(values(dy) == expected);
  }
}

TEST_CASE("Dropout keeps 16 bytes of state, and its input only to restore it") {
  Cpu device;
  // Seed, step, pass, rate, first element and a flag: nothing that grows with x.
  static_assert(sizeof(Dropout<double, Cpu>) <= 16 + 4 * sizeof(double));
  AnyLayer<double> layer = Dropout<double, Cpu>(0.5, 3);
  const auto x = normal<double>(device, {2, 4, 6, 5});
  Run careless = training;
  careless.restore = false;
  CHECK(kept_bytes(layer, x, careless) == 0);
  CHECK(kept_bytes(layer, x) == 240 * sizeof(double));
}

TEST_CASE("A rehearsal uses no step of a Dropout up") {
  Cpu device;
  Dropout<double, Cpu> rehearsed(0.5, 3), fresh(0.5, 3);
  {
    Cpu::Rehearsal rehearsal(device);
    Tensor<double, Cpu> x(device, {1, 4, 4, 4});
    rehearsed.apply(x.view(), std::as_const(x).view(), preview(training), Store::set);
  }
  CHECK(mask(rehearsed, device, {1, 4, 4, 4}, training) ==
        mask(fresh, device, {1, 4, 4, 4}, training));
}

TEST_CASE("Dropout refuses what does not fit") {
  Cpu device;
  const auto make = [](double rate) { Dropout<float, Cpu>(rate, 1); };
  for (double rate : {-0.1, 1.0, 1.5, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_AS(make(rate), std::invalid_argument);
  CHECK_THROWS_WITH(make(1), "Dropout: rate must be in [0, 1), got 1.000000");

  AnyLayer<float> layer = Dropout<float, Cpu>(0.5, 1);
  auto x = normal<float>(device, {2, 3, 5, 7}), dy = normal<float>(device, {2, 3, 5, 7});
  const std::string missing =
      "no forward pass has stored an input; run forward with `training` first";
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
  layer.forward(x, training);
  auto other = normal<float>(device, {2, 3, 4, 7});
  CHECK_THROWS_WITH(layer.backward(x, other), "backward: y is 2x3x5x7 but dy is 2x3x4x7");
  layer.forward(x, inference);
  CHECK_THROWS_WITH(layer.backward(x, dy), missing);
}

TEST_CASE("Dropout refuses a second batch in one pass, whose replay would draw another mask") {
  Cpu device;
  AnyLayer<float> layer = Dropout<float, Cpu>(0.5, 1);
  Run run = training;
  run.pass = next_pass();
  auto x = normal<float>(device, {2, 3, 5, 7});
  layer.forward(x, run);
  CHECK_THROWS_WITH(layer.forward(x, run),
                    "Dropout: it is used twice in one pass, but draws one mask a pass");
  run.pass = next_pass();
  CHECK_NOTHROW(layer.forward(x, run));
}
