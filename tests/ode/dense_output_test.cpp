#include <cmath>
#include <numbers>

#include "fields.hpp"
#include "retrace/ode/events.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// x″ = −x as a system, from (1, 0): (cos t, −sin t).
DenseOutput<double, Cpu> oscillation(Cpu& device, const OdeOptions& options) {
  const auto x = tensor<double>(device, {1, 1, 1, 2}, {1, 0});
  return {linear_field<double>(device, 2, {0, -1, 1, 0}), x, options};
}

double largest_error(const DenseOutput<double, Cpu>& solution) {
  double largest = 0;
  for (double t = 0; t <= 6; t += 0.0371) {
    const Values x = values(solution(t));
    largest = std::max({largest, std::abs(x[0] - std::cos(t)), std::abs(x[1] + std::sin(t))});
  }
  return largest;
}

double first(const Tensor<double, Cpu>& x) { return x.data()[0]; }

}  // namespace

TEST_CASE("Between the steps, a solution is exact to the fourth power of the step") {
  Cpu device(1);
  const auto error = [&](Index steps) {
    return largest_error(oscillation(
        device, {.method = OdeMethod::dopri5, .end = 6, .steps = steps, .coupling = 0.999}));
  };
  const double coarse = error(40), fine = error(80);
  CAPTURE(coarse, fine);
  CHECK(coarse < 5e-6);
  CHECK(coarse / fine > 12);
  CHECK(coarse / fine < 20);
}

TEST_CASE("Adaptive steps have a dense output at their own times") {
  Cpu device(1);
  const OdeOptions options{.method = OdeMethod::dopri5,
                           .end = 6,
                           .adaptive = OdeTolerance{.relative = 1e-9, .absolute = 1e-9}};
  const auto solution = oscillation(device, options);
  CHECK(solution.times().size() > 10);
  CHECK(solution.times().back() == 6);
  CHECK(largest_error(solution) < 1e-4);
  for (double time : solution.times())
    CHECK(values(solution(time))[0] == Approx(std::cos(time)).margin(1e-7));
  CHECK_THROWS_WITH(solution(6.5), "DenseOutput: the time 6.5 is outside the interval from 0 to 6");
  CHECK_THROWS_AS(oscillation(device, {.outputs = {0.5}}), std::invalid_argument);
}

TEST_CASE("Events are the zeros of a closed form, in their order and direction") {
  using std::numbers::pi;
  Cpu device(1);
  const auto solution = oscillation(device, {.method = OdeMethod::dopri5, .end = 9, .steps = 900});
  const auto time = [&](Crossing crossing, std::optional<double> after = {}) {
    const auto event = find_event(solution, first, crossing, after);
    REQUIRE(event);
    CHECK(std::abs(first(event->state)) < 1e-12);
    return event->time;
  };
  CHECK(time(Crossing::any) == Approx(pi / 2).margin(1e-9));
  CHECK(time(Crossing::falling) == Approx(pi / 2).margin(1e-9));
  CHECK(time(Crossing::rising) == Approx(3 * pi / 2).margin(1e-9));
  CHECK(time(Crossing::any, 2.0) == Approx(3 * pi / 2).margin(1e-9));
  CHECK(time(Crossing::falling, 2.0) == Approx(5 * pi / 2).margin(1e-9));
  CHECK_FALSE(find_event(solution, first, Crossing::any, 8.0));
  CHECK_THROWS_AS(find_event(solution, [](const auto&) { return std::nan(""); }),
                  std::domain_error);
}
