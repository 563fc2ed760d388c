#include "retrace/ode/ode_block.hpp"

#include <cmath>

#include "ode/fields.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Block = OdeBlock<double, Cpu>;

struct Gradients {
  Values y, x, dx, of_weight, of_time;
};

/// One pass with a normally distributed dy.
Gradients gradients_of(Block& block, const Tensor<double, Cpu>& x) {
  ParameterList<double, Cpu> list;
  inside::collect(block, "", list);
  list.zero_gradients();
  auto state = clone(x);
  block.forward(state, training);
  Gradients result;
  result.y = values(state);
  auto dy = normal<double>(x.device(), state.shape(), 2, Use::gradient);
  block.backward(state, dy);
  result.x = values(state);
  result.dx = values(dy);
  result.of_weight = values(list.parameters[0].parameter->gradient);
  result.of_time = values(list.parameters[2].parameter->gradient);
  return result;
}

double distance(const Gradients& a, const Gradients& b) {
  return std::max({relative_distance(a.dx, b.dx), relative_distance(a.of_weight, b.of_weight),
                   relative_distance(a.of_time, b.of_time), relative_distance(a.y, b.y),
                   relative_distance(a.x, b.x)});
}

/// The derivative of Σ y·dy with respect to one element of x, by differences.
double slope(Block& block, const Tensor<double, Cpu>& x, Index element) {
  const double step = 1e-5;
  double loss[2];
  for (int side : {0, 1}) {
    auto state = clone(x);
    state.data()[element] += side ? step : -step;
    block.forward(state, inference);
    loss[side] = dot(values(state), normal_values(state.shape().size(), 2));
  }
  return (loss[1] - loss[0]) / (2 * step);
}

}  // namespace

TEST_CASE("All modes of all methods give the gradient of the discrete solution") {
  Cpu device(1);
  const auto x = normal<double>(device, {3, 1, 1, 4}, 1);
  for (OdeMethod method : all_ode_methods)
    for (const std::vector<double>& outputs :
         {std::vector<double>{}, {0.3, 0.77, 1.0}, {0.2, 0.8}}) {
      CAPTURE(name(method), outputs.size());
      OdeOptions options{.method = method, .steps = 12, .outputs = outputs};
      Block block(small_field<double>(device, 4), options);
      const Gradients reversible = gradients_of(block, x);
      CHECK(relative_distance(reversible.x, values(x)) < 1e-13);
      block.on_mode(Mode::stored);
      const Gradients stored = gradients_of(block, x);
      CHECK(distance(reversible, stored) < 1e-13);
      CHECK(same_bits(stored.x, values(x)));
      options.checkpoint_every = 5;
      block.set_options(options);
      CHECK(distance(gradients_of(block, x), stored) < 1e-15);
      for (Index i : {0, 7, 11})
        CHECK(stored.dx[std::size_t(i)] == Approx(slope(block, x, i)).margin(1e-7));
    }
}

TEST_CASE("Every method has its order") {
  Cpu device(1);
  // A rotation: x(t) = (cos t, sin t).
  const struct {
    OdeMethod method;
    double order;
  } expected[] = {
      {OdeMethod::euler, 1},          {OdeMethod::midpoint, 2}, {OdeMethod::rk4, 4},
      {OdeMethod::bosh3, 3},          {OdeMethod::dopri5, 5},   {OdeMethod::leapfrog, 2},
      {OdeMethod::reversible_heun, 2}};
  for (const auto& [method, order] : expected) {
    double error[2];
    for (int half : {0, 1}) {
      Block block(linear_field<double>(device, 2, {0, 1, -1, 0}),
                  {.method = method, .steps = half ? 32 : 16});
      auto x = tensor<double>(device, {1, 1, 1, 2}, {1, 0});
      block.forward(x, inference);
      error[half] = std::hypot(values(x)[0] - std::cos(1), values(x)[1] - std::sin(1));
    }
    CAPTURE(name(method));
    CHECK(std::log2(error[0] / error[1]) == Approx(order).margin(0.3));
  }
}

TEST_CASE("The time of a field is that of each stage") {
  Cpu device(1);
  Random random(1);
  TimeShift<double, Cpu> shift(device, 1, random);
  assign(shift.weight().value.view(), {1});
  Linear<double, Cpu> zero(device, 1, 1, random);
  assign(zero.weight().value.view(), {0});
  StageSequence<double, Cpu> field;  // dx/dt = t
  field.add("zero", std::move(zero)).add("time", std::move(shift));
  Block block(field, {.begin = 1, .end = 3, .steps = 4, .outputs = {2, 3}});
  auto x = tensor<double>(device, {1, 1, 1, 1}, {10});
  block.forward(x, inference);
  CHECK(values(x)[0] == Approx(10 + 1.5));
  CHECK(values(x)[1] == Approx(10 + 4));
}

TEST_CASE("Images may have times of their own") {
  Cpu device(1);
  const std::vector<ImageTimes> times{{0, 1, 1.5}, {0.5, 0.75, 2}, {-1, 2, 2.25}};
  const auto x = normal<double>(device, {3, 1, 1, 4}, 1);
  for (std::size_t count : {2u, 3u}) {
    std::vector<ImageTimes> some = times;
    for (ImageTimes& each : some) each.resize(count);
    Block together(small_field<double>(device, 4), {.steps = 8, .coupling = 0.99});
    together.set_times(some);
    const Gradients all = gradients_of(together, x);
    REQUIRE(all.y.size() == (count - 1) * 12);
    for (Index i = 0; i < 3; ++i) {
      auto one = clone(x.view().images(i, 1));
      const ImageTimes& own = some[std::size_t(i)];
      Block alone(small_field<double>(device, 4), {.steps = 8, .coupling = 0.99});
      alone.set_times({own});
      alone.forward(one, inference);
      for (std::size_t c = 0; c < values(one).size(); ++c)
        CHECK(values(one)[c] ==
              Approx(all.y[c / 4 * 12 + std::size_t(i) * 4 + c % 4]).epsilon(1e-12));
      CHECK(all.dx[std::size_t(i) * 4] == Approx(slope(together, x, i * 4)).margin(1e-7));
    }
    if (count == 2) {  // as the interval of the options
      auto one = clone(x.view().images(1, 1));
      Block alone(small_field<double>(device, 4),
                  {.begin = 0.5, .end = 0.75, .steps = 8, .coupling = 0.99});
      alone.forward(one, inference);
      CHECK(values(one)[2] == Approx(all.y[6]).epsilon(1e-12));
    }
    together.on_mode(Mode::stored);
    CHECK(distance(gradients_of(together, x), all) < 1e-13);
    auto two = normal<double>(device, {2, 1, 1, 4});
    CHECK_THROWS_WITH(together.forward(two, training), containing("times of 3 images, but x"));
  }
  Block block(small_field<double>(device, 4), {.method = OdeMethod::leapfrog});
  CHECK_THROWS_WITH(block.set_times({{0, 1}, {2, 1}}),
                    "image 1 has the time 1 behind 2, but times must increase");
  CHECK_THROWS_WITH(block.set_times({{0, 1}, {2}}), containing("image 1 has 1 times"));
  CHECK_THROWS_WITH(block.set_times({{0, 1, 2}}), containing("use a Runge-Kutta method"));
}

TEST_CASE("Adaptive steps keep the tolerance and are recorded") {
  Cpu device(1);
  for (OdeMethod method :
       {OdeMethod::bosh3, OdeMethod::dopri5, OdeMethod::leapfrog, OdeMethod::reversible_heun}) {
    CAPTURE(name(method));
    Index before = 0;
    for (double tolerance : {1e-3, 1e-5}) {
      Block block(linear_field<double>(device, 2, {0, 3, -3, 0}),
                  {.method = method, .adaptive = OdeTolerance{tolerance, tolerance}});
      auto x = tensor<double>(device, {1, 1, 1, 2}, {1, 0});
      block.forward(x, training);
      CHECK(std::abs(values(x)[0] - std::cos(3)) < 30 * tolerance);
      CHECK(block.steps().size() > before);
      before = block.steps().size();
      const StepTimes& steps = block.steps();
      CHECK(steps.step(0).time == 0);
      CHECK(steps.step(before - 1).end == 1);
      for (Index i = 1; i < before; ++i) CHECK(steps.step(i).time == steps.step(i - 1).end);
    }
    const auto x = normal<double>(device, {3, 1, 1, 4}, 1);
    Block block(small_field<double>(device, 4),
                {.method = method, .adaptive = OdeTolerance{}, .outputs = {0.1, 1}});
    const Gradients reversible = gradients_of(block, x);
    block.on_mode(Mode::stored);
    CHECK(distance(gradients_of(block, x), reversible) < 1e-12);
  }
}

TEST_CASE("Memory does not depend on the number of steps") {
  Cpu device(1);
  for (OdeMethod method : {OdeMethod::rk4, OdeMethod::leapfrog, OdeMethod::reversible_heun}) {
    std::vector<std::size_t> peaks;
    for (Index steps : {100, 1000, 10000}) {
      Block block(small_field<double>(device, 4), {.method = method, .steps = steps});
      auto x = normal<double>(device, {2, 1, 1, 4}, 1);
      device.memory().restart_peak();
      block.forward(x, training);
      auto dy = normal<double>(device, x.shape(), 2, Use::gradient);
      block.backward(x, dy);
      peaks.push_back(device.memory().peak().total());
    }
    CAPTURE(name(method));
    CHECK(peaks[0] == peaks[1]);
    CHECK(peaks[1] == peaks[2]);
  }
}

TEST_CASE("After 10,000 steps the reversible gradient equals the stored one") {
  Cpu device(1);
  const auto x = normal<double>(device, {2, 1, 1, 4}, 1);
  for (OdeMethod method : all_ode_methods) {
    if (method == OdeMethod::dopri5) continue;  // as bosh3, in twice the time
    Block block(small_field<double>(device, 4),
                {.method = method, .end = 2, .steps = 10000, .checkpoint_every = 100});
    const Gradients reversible = gradients_of(block, x);
    block.on_mode(Mode::stored);
    CAPTURE(name(method));
    CHECK(distance(reversible, gradients_of(block, x)) < 1e-10);
  }
}
