// The method, the interval and the steps of a solve.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "retrace/core/shape.hpp"
#include "retrace/core/text.hpp"

namespace retrace::inline RETRACE_ISA {

/// A method whose steps have an algebraic inverse.
enum class OdeMethod { euler, midpoint, rk4, bosh3, dopri5, leapfrog, reversible_heun };

inline constexpr std::array<OdeMethod, 7> all_ode_methods{
    OdeMethod::euler,          OdeMethod::midpoint, OdeMethod::rk4,
    OdeMethod::bosh3,          OdeMethod::dopri5,   OdeMethod::leapfrog,
    OdeMethod::reversible_heun};

/// "dopri5", as on a command line.
constexpr std::string_view name(OdeMethod method) {
  constexpr std::array<std::string_view, 7> names{
      "euler", "midpoint", "rk4", "bosh3", "dopri5", "leapfrog", "reversible-heun"};
  return names[static_cast<std::size_t>(method)];
}
constexpr bool estimates_error(OdeMethod method) { return method >= OdeMethod::bosh3; }

/// The allowed error of an adaptive step: absolute + relative·|x|, as a root mean square over the
/// batch.
struct OdeTolerance {
  double relative = 1e-3, absolute = 1e-6;
  double first_step = 0;      ///< 0: a hundredth of the interval
  double least_step = 0;      ///< 0: what the time can resolve
  Index most_steps = 100000;  ///< accepted and rejected ones
};

/// The method, the interval and the steps of a solve.
struct OdeOptions {
  OdeMethod method = OdeMethod::rk4;
  double begin = 0, end = 1;
  Index steps = 10;  ///< of equal size, unless `adaptive` is given
  std::optional<OdeTolerance> adaptive = {};
  /// λ of a Runge-Kutta method, up to 1. Going back multiplies rounding errors by 1/λ per step; a
  /// smaller λ allows larger steps. 0: 0.999, or 1 − 2/steps if that is more.
  double coupling = 0;
  /// Times, increasing, after `begin` and up to `end`, at which the state is part of the output.
  /// Empty: `end` alone.
  std::vector<double> outputs = {};
  /// Mode `stored` stores the state at every such step alone and repeats the steps in between. 0
  /// stores what every evaluation of the field needs.
  Index checkpoint_every = 0;
  /// Backward throws RoundTripError if the initial state that it has reconstructed is less exact
  /// than this, in decibels; 0 ends the check.
  double least_decibels = 80;
  /// The seed of Brownian motions, one per element of the state and new in every forward pass:
  /// makes the equation stochastic, with method reversible_heun (ode/stochastic_heun.hpp).
  std::optional<std::uint64_t> noise = {};
  bool checks_finite = true;  ///< throws SolveError as soon as the state is not finite
};

/// λ of the Runge-Kutta methods.
inline double coupling(const OdeOptions& options) {
  if (options.coupling > 0) return options.coupling;
  return options.adaptive ? 0.999 : std::max(0.999, 1 - 2 / static_cast<double>(options.steps));
}

/// The state or the step of a solve has become useless at a time.
struct SolveError : std::domain_error {
  SolveError(const std::string& message, double at, double size)
      : std::domain_error(message), time(at), step(size) {}
  double time, step;
};

/// The way back through a solve has not reached its initial state.
struct RoundTripError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws std::invalid_argument, naming the wrong value, unless the options make sense.
inline void require_ode_options(const OdeOptions& options) {
  const auto refuse = [](const std::string& what) {
    throw std::invalid_argument("OdeOptions: " + what);
  };
  const auto [begin, end] = std::pair(options.begin, options.end);
  if (!std::isfinite(begin) || !std::isfinite(end))
    refuse("the interval from " + short_text(begin) + " to " + short_text(end) + " is not finite");
  if (begin == end) refuse("begin and end are equal times, " + short_text(begin));
  if (end < begin)
    refuse("the end " + short_text(end) + " is before the begin " + short_text(begin) +
           ": to go back in time, change the sign of the field");
  if (!options.adaptive && options.steps < 1)
    refuse("steps must be at least 1, got " + std::to_string(options.steps));
  if (!(options.coupling >= 0 && options.coupling <= 1))
    refuse("coupling must be from 0 to 1, got " + short_text(options.coupling));
  if (options.checkpoint_every < 0)
    refuse("checkpoint_every must not be negative, got " +
           std::to_string(options.checkpoint_every));
  double last = begin;
  for (double time : options.outputs) {
    if (!(time > last) || time > end)
      refuse("outputs must be increasing times after " + short_text(begin) + " and up to " +
             short_text(end) + ", but " + short_text(time) + " follows " + short_text(last));
    last = time;
  }
  if (options.noise && (options.method != OdeMethod::reversible_heun || options.adaptive))
    refuse("an equation with noise needs fixed steps of reversible-heun, not " +
           std::string(options.adaptive ? "adaptive ones" : name(options.method)));
  if (!options.adaptive) return;
  if (!estimates_error(options.method))
    refuse(std::string(name(options.method)) +
           " has no error estimate for adaptive steps: bosh3, dopri5, leapfrog and "
           "reversible-heun have one");
  const OdeTolerance& tolerance = *options.adaptive;
  if (!(tolerance.relative >= 0) || !(tolerance.absolute >= 0) ||
      !(tolerance.relative + tolerance.absolute > 0))
    refuse("the tolerances must not be negative, nor both 0, got " +
           short_text(tolerance.relative) + " and " + short_text(tolerance.absolute));
  if (!(tolerance.first_step >= 0) || !(tolerance.least_step >= 0) || tolerance.most_steps < 1)
    refuse("first_step and least_step must not be negative, and most_steps at least 1");
}

}  // namespace retrace::inline RETRACE_ISA
