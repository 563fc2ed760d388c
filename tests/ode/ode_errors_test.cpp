#include <cmath>
#include <limits>

#include "ode/fields.hpp"
#include "retrace/ode/ode_block.hpp"
#include "retrace/train/drift_guard.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Block = OdeBlock<double, Cpu>;

void backward(Block& block, Tensor<double, Cpu>& y) {
  auto dy = normal<double>(y.device(), y.shape(), 2, Use::gradient);
  block.backward(y, dy);
}

std::string refusal(const OdeOptions& options) {
  try {
    require_ode_options(options);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("OdeOptions refuses what makes no sense") {
  CHECK(refusal({.begin = 1, .end = 1}) == "OdeOptions: begin and end are equal times, 1");
  CHECK(refusal({.begin = 2, .end = 1}) ==
        "OdeOptions: the end 1 is before the begin 2: to go back in time, change the sign of the "
        "field");
  CHECK(refusal({.end = std::nan("")}) == "OdeOptions: the interval from 0 to nan is not finite");
  CHECK(refusal({.steps = 0}) == "OdeOptions: steps must be at least 1, got 0");
  CHECK(refusal({.coupling = 1.5}) == "OdeOptions: coupling must be from 0 to 1, got 1.5");
  CHECK(refusal({.outputs = {0.5, 0.5}}) ==
        "OdeOptions: outputs must be increasing times after 0 and up to 1, but 0.5 follows 0.5");
  CHECK(refusal({.outputs = {0.5, 1.5}}) ==
        "OdeOptions: outputs must be increasing times after 0 and up to 1, but 1.5 follows 0.5");
  CHECK(refusal({.adaptive = OdeTolerance{}}) ==
        "OdeOptions: rk4 has no error estimate for adaptive steps: bosh3, dopri5, leapfrog and "
        "reversible-heun have one");
  CHECK(refusal({.method = OdeMethod::dopri5, .adaptive = OdeTolerance{0, 0}}) ==
        "OdeOptions: the tolerances must not be negative, nor both 0, got 0 and 0");
  CHECK(refusal({}).empty());
}

TEST_CASE("A field that explodes is reported with its time and step") {
  Cpu device(1);
  Block block(linear_field<double>(device, 1, {1e200}), {.end = 2, .steps = 4});
  auto x = tensor<double>(device, {1, 1, 1, 1}, {1});
  CHECK_THROWS_WITH(block.forward(x, training),
                    containing("not finite after step 1, from time 0 with size 0.5"));
}

TEST_CASE("A step below the resolution of the time is reported, and too many steps") {
  Cpu device(1);
  OdeOptions options{.method = OdeMethod::dopri5, .adaptive = OdeTolerance{1e-3, 1e-6}};
  const auto solve = [&](double rate) {
    Block block(linear_field<double>(device, 1, {rate}), options);
    auto x = tensor<double>(device, {1, 1, 1, 1}, {1});
    block.forward(x, training);
  };
  CHECK_THROWS_WITH(solve(-1e25), containing("the step at time 0 would have size"));
  CHECK_THROWS_WITH(solve(-1e25), containing("raise the tolerances"));
  CHECK_THROWS_AS(solve(-1e25), SolveError);
  options.adaptive->least_step = 0.01;
  CHECK_THROWS_WITH(solve(-1e3), containing("but the smallest is 0.01"));
  options.adaptive->least_step = 0;
  options.adaptive->most_steps = 20;
  CHECK_THROWS_WITH(solve(-1e3), containing("20 steps (most_steps) and reached time"));
}

TEST_CASE("A way back that does not reach its begin gives an error and no gradient") {
  Cpu device(1);
  // 0.9^-400 = 2e18.
  Block weak(small_field<double>(device, 4), {.steps = 400, .coupling = 0.9});
  const auto pass = [&] {
    auto x = normal<double>(device, {2, 1, 1, 4}, 1);
    weak.forward(x, training);
    backward(weak, x);
  };
  CHECK_THROWS_WITH(pass(), containing("The coupling 0.9 alone multiplies errors by"));
  CHECK_THROWS_AS(pass(), RoundTripError);

  // Stable forwards, but the way back multiplies errors in each of 30 steps.
  Block stiff(linear_field<double>(device, 1, {-200}),
              {.method = OdeMethod::leapfrog, .steps = 30});
  auto y = tensor<double>(device, {1, 1, 1, 1}, {1});
  stiff.forward(y, training);
  CHECK_THROWS_WITH(backward(stiff, y), containing("too stiff for this step: take smaller ones"));

  weak.on_mode(Mode::stored);
  CHECK_NOTHROW(pass());
}

TEST_CASE("The drift guard anchors a solve whose way back is inexact") {
  Cpu device(1);
  Chain<double, Cpu> net;
  net.add("ode", Block(small_field<double>(device, 4), {.steps = 400, .coupling = 0.9}));
  DriftGuard guard(net);
  const auto pass = [&] {
    auto x = normal<double>(device, {2, 1, 1, 4}, 1);
    net.forward(x, training);
    auto dy = normal<double>(device, x.shape(), 2, Use::gradient);
    net.backward(x, dy);
    return std::pair(values(dy), guard.verdict());
  };
  const auto [wrong, first] = pass();
  CHECK(first.discard);
  CHECK(guard.anchors() == std::vector<std::string>{"ode"});
  const auto [right, second] = pass();
  CHECK_FALSE(second.discard);
  net.set_mode(Mode::stored);
  CHECK(relative_distance(right, pass().first) < 1e-13);
}

TEST_CASE("OdeBlock refuses a field of another shape and a backward without forward") {
  Cpu device(1);
  Random random(1);
  StageSequence<double, Cpu> field;
  field.add("linear", Linear<double, Cpu>(device, 4, 5, random));
  Block wide(std::move(field), {});
  auto x = normal<double>(device, {2, 1, 1, 4}, 1);
  CHECK_THROWS_WITH(wide.forward(x, training), "OdeBlock: x is 2x1x1x4 but f(t, x) is 2x1x1x5");
  Block block(small_field<double>(device, 4), {});
  CHECK_THROWS_WITH(backward(block, x), containing("no forward pass has stored its steps"));
}
