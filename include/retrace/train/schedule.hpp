// Learning rates that change with the step.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

namespace detail {

/// Returns step / steps, where no steps count as one.
inline double share_of(std::size_t step, std::size_t steps) {
  return static_cast<double>(step) / static_cast<double>(std::max<std::size_t>(steps, 1));
}

/// Interpolates between two values along half a cosine.
inline double half_cosine(double from, double to, double share) {
  return to + (from - to) * (1 + std::cos(std::numbers::pi * share)) / 2;
}

}  // namespace detail

/// The one-cycle learning rate (Smith & Topin 2018). It rises from peak/25 to the peak over the
/// first `warm_up` share of the steps and falls to peak/1e5 over the rest, each along half a
/// cosine.
struct OneCycle {
  double peak;
  std::size_t steps;
  double warm_up = 0.3;

  double operator()(std::size_t step) const {
    const double at = detail::share_of(step, steps);
    if (at < warm_up) return detail::half_cosine(peak / 25, peak, at / warm_up);
    return detail::half_cosine(peak, peak / 1e5, std::min(1.0, (at - warm_up) / (1 - warm_up)));
  }
};

/// Falls from the peak to the floor along half a cosine and stays there (Loshchilov & Hutter 2017).
struct Cosine {
  double peak;
  std::size_t steps;
  double floor = 0;

  double operator()(std::size_t step) const {
    const double at = detail::share_of(step, steps);
    return detail::half_cosine(peak, floor, std::min(1.0, at));
  }
};

/// Linear warm-up over `steps` to the first rate of another schedule, which then follows:
/// `WarmUp{500, Cosine{.peak = 1e-3, .steps = 9500}}`.
template <class Schedule>
struct WarmUp {
  std::size_t steps;
  Schedule then;

  double operator()(std::size_t step) const {
    if (step >= steps) return then(step - steps);
    return then(0) * static_cast<double>(step + 1) / static_cast<double>(steps + 1);
  }
};
template <class Schedule>
WarmUp(std::size_t, Schedule) -> WarmUp<Schedule>;

}  // namespace retrace::inline RETRACE_ISA
