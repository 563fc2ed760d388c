// The estimate of a gradient's error from the noise of an input.
#include "retrace/math/signal_noise.hpp"

#include <numbers>

#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("the error is the root of the share of values that noise moves across a kink") {
  constexpr Index count = 1 << 20;
  const Values signal = normal_values(count, 1), noise = normal_values(count, 2);
  for (double amplitude : {0.1, 0.01, 0.001}) {
    math::SignalNoise input, derivative;
    for (std::size_t i = 0; i < signal.size(); ++i) {
      const double x = signal[i], found = x + amplitude * noise[i];
      input.add(x, found);
      derivative.add(x > 0 ? 1 : 0, found > 0 ? 1 : 0);
    }
    CAPTURE(amplitude);
    const double error = derivative.relative_error();
    CHECK(error == Approx(std::sqrt(2 * amplitude / std::numbers::pi)).epsilon(0.1));
    const double estimate = math::gradient_error(input.decibels());
    CHECK(estimate > 5 * error);
    CHECK(estimate < 8 * error);
  }
}

TEST_CASE("40 dB reduce the gradient's error to a tenth") {
  CHECK(math::gradient_error(68) == Approx(0.1).epsilon(0.01));
  CHECK(math::gradient_error(108) == Approx(0.01).epsilon(0.01));
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(math::gradient_error(infinity) == 0);
  CHECK(math::gradient_error(-infinity) == infinity);
}

TEST_CASE("sums with NaN or infinity are not finite") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  math::SignalNoise sums;
  sums.add(1, 1.5);
  CHECK(sums.finite());
  for (const auto& [truth, found] :
       {std::pair(nan, 1.0), std::pair(1.0, nan), std::pair(infinity, infinity),
        std::pair(1.0, infinity), std::pair(infinity, 1.0)}) {
    math::SignalNoise wrong = sums;
    wrong.add(truth, found);
    CHECK_FALSE(wrong.finite());
  }
}
