// Times at which a function of a solution changes its sign.
#pragma once

#include <cmath>
#include <cstddef>
#include <optional>
#include <stdexcept>

#include "retrace/ode/dense_output.hpp"

namespace retrace::inline RETRACE_ISA {

/// Which changes of sign are events.
enum class Crossing { any, rising, falling };

/// A change of sign that find_event() has found.
template <class T, Device D>
struct OdeEvent {
  double time;
  Tensor<T, D> state;
};

/// Returns the first event after a time: the first step whose ends have different signs of g, and
/// within it the zero of g, by bisection to the resolution of the time. Two zeros within one step
/// are not seen: take smaller steps if g may have them.
///
///     const auto landing = find_event(solution, [](const auto& x) { return height(x); });
///
/// @param g      g(x), a number for the whole batch
/// @param after  a time of the solution; an event at this time is not one
/// @throws std::domain_error if g is NaN at the end of a step.
template <class T, Device D, class G>
std::optional<OdeEvent<T, D>> find_event(const DenseOutput<T, D>& solution, G g,
                                         Crossing crossing = Crossing::any,
                                         std::optional<double> after = {}) {
  const auto value = [&](double time) {
    const auto at = static_cast<double>(g(solution(time)));
    if (std::isnan(at)) throw std::domain_error("find_event: g is NaN at time " + short_text(time));
    return at;
  };
  const auto crosses = [&](double from, double to) {
    const bool rises = from < 0 && to >= 0, falls = from > 0 && to <= 0;
    return (rises && crossing != Crossing::falling) || (falls && crossing != Crossing::rising);
  };
  double low = after.value_or(solution.times().front()), at_low = value(low);
  for (double high : solution.times()) {
    if (high <= low) continue;
    const double at_high = value(high);
    if (!crosses(at_low, at_high)) {
      low = high;
      at_low = at_high;
      continue;
    }
    for (;;) {
      const double middle = low + (high - low) / 2;
      if (!(middle > low && middle < high)) return OdeEvent<T, D>{high, solution(high)};
      (crosses(at_low, value(middle)) ? high : low) = middle;
    }
  }
  return {};
}

}  // namespace retrace::inline RETRACE_ISA
