// The choice of step sizes by an error estimate.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "retrace/ode/ode_options.hpp"

namespace retrace::inline RETRACE_ISA {

/// Proposes the next step of an adaptive solve: 0.9·ratio^(−1/order) times the last one, between a
/// fifth and five times it, for the error `ratio` in units of the tolerance (Hairer et al. 1993,
/// II.4).
class StepControl {
 public:
  StepControl(const OdeOptions& options, double order)
      : tolerance_(*options.adaptive), begin_(options.begin), end_(options.end), order_(order) {
    next_ = tolerance_.first_step > 0 ? tolerance_.first_step : (end_ - begin_) / 100;
  }

  /// Returns the end of the next step from `time`, which must not pass `limit`.
  /// @throws SolveError if the step is below the resolution of the time or below least_step, or
  ///         there are too many steps.
  double propose(double time, double limit) {
    if (++taken_ > tolerance_.most_steps)
      throw SolveError("the solve has taken " + std::to_string(tolerance_.most_steps) +
                           " steps (most_steps) and reached time " + short_text(time) + " of " +
                           short_text(end_) + " with a step of " + short_text(next_) + ": " +
                           advice,
                       time, next_);
    const double least = std::max(tolerance_.least_step,
                                  16 * std::numeric_limits<double>::epsilon() *
                                      std::max({std::abs(begin_), std::abs(end_), end_ - begin_}));
    if (next_ < least)
      throw SolveError("the step at time " + short_text(time) + " would have size " +
                           short_text(next_) + ", but the smallest is " + short_text(least) +
                           "; the last error was " + short_text(ratio_) +
                           " times the tolerance: " + advice,
                       time, next_);
    // Two steps of half the size instead of a full one and a tiny one.
    if (time + next_ * (1 + 1e-9) >= limit) return limit;
    if (time + 2 * next_ > limit) return time + (limit - time) / 2;
    return time + next_;
  }

  /// Notes the error of a step of that size.
  void note(double size, double ratio) {
    ratio_ = ratio;
    const double factor = std::isfinite(ratio) ? 0.9 * std::pow(ratio, -1 / order_) : 0.2;
    next_ = size * std::clamp(factor, 0.2, ratio <= 1 ? 5.0 : 0.9);
  }

 private:
  static constexpr const char* advice =
      "raise the tolerances, make the field smoother or smaller (weight decay, clipped gradients), "
      "or use fixed steps";

  OdeTolerance tolerance_;
  double begin_, end_, order_, next_, ratio_ = 0;
  Index taken_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
