// The inverse of a residual layer by iteration.
#pragma once

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/addend.hpp"
#include "retrace/core/text.hpp"

namespace retrace::inline RETRACE_ISA {

/// When the iteration ends.
struct FixedPointOptions {
  double tolerance = 1e-6;  ///< of ‖x − x*‖/‖x‖, by the bound that the iteration proves
  Index most_evaluations = 100;
  bool accelerates = true;  ///< Anderson's acceleration with one earlier step
};

/// The error bound that an iteration has reached, relative to ‖x‖, and its evaluations of g.
struct FixedPointResult {
  Index evaluations = 0;
  double bound = 0;
};

/// An iteration has not reached its tolerance.
struct ConvergenceError : std::domain_error {
  using std::domain_error::domain_error;
};

/// Solves x + g(x) = y for a g with Lipschitz constant L < 1, in place of y: x ← y − g(x) from
/// x = y. With r = y − g(x) − x, ‖y − g(x) − x*‖ ≤ L/(1 − L)·‖r‖ for every x, however it was found
/// (Banach 1922), so acceleration leaves the bound valid (Anderson 1965; Walker and Ni 2011).
/// @param g  g(target, x) computes target = g(x)
/// @throws ConvergenceError if most_evaluations do not suffice, with the bound that was reached.
template <class T, Device D, class G>
FixedPointResult invert_residual(Tensor<T, D>& y, double lipschitz, G g,
                                 const FixedPointOptions& options) {
  using State = Tensor<T, D>;
  FixedPointResult result;
  D& device = y.device();
  const auto combined = [](State& target, std::initializer_list<Addend<T, D>> terms) {
    combine(target.view(), std::span<const Addend<T, D>>(terms.begin(), terms.size()));
  };
  const auto view = [](const State& x) { return x.view(); };
  // `next` is y − g(x), and r = next − x.
  State x = clone(y), next(device, y.shape()), r(device, y.shape(), Use::workspace);
  std::optional<State> last_next, last_r;
  for (;;) {
    g(next.view(), view(x));
    combined(next, {{1, view(y)}, {-1, view(next)}});
    combined(r, {{1, view(next)}, {-1, view(x)}});
    ++result.evaluations;
    const double size = std::sqrt(sum_of_squares(next.view()));
    const double change = std::sqrt(sum_of_squares(r.view()));
    // Rounding alone changes x by about this much.
    const double rounding = std::numeric_limits<T>::epsilon();
    result.bound = size == 0 ? 0 : lipschitz / (1 - lipschitz) * change / size + rounding;
    if (device.dry() || result.bound <= std::max(options.tolerance, 4 * rounding)) break;
    if (result.evaluations >= options.most_evaluations || !std::isfinite(change))
      throw ConvergenceError(
          "the inverse of a residual layer is not found: after " +
          std::to_string(result.evaluations) + " evaluations its relative error is at most " +
          short_text(result.bound) + ", but " + short_text(options.tolerance) +
          " is wanted; the Lipschitz constant is " + short_text(lipschitz) +
          ": lower the bound of the spectral normalisation, or raise the tolerance");
    double mixed = 0;
    if (options.accelerates && last_r) {
      // β = ⟨r − r', r⟩/‖r − r'‖², from ‖r‖², ‖r'‖² and ‖r − r'‖².
      State difference(device, y.shape(), Use::workspace);
      combined(difference, {{1, view(r)}, {-1, view(*last_r)}});
      const double of_difference = sum_of_squares(difference.view());
      const double of_last = sum_of_squares(last_r->view());
      if (of_difference > 0)
        mixed = (of_difference + change * change - of_last) / (2 * of_difference);
    }
    if (!last_next) {
      last_next.emplace(device, y.shape(), Use::workspace);
      last_r.emplace(device, y.shape(), Use::workspace);
    }
    combined(x, {{1 - mixed, view(next)}, {mixed, mixed == 0 ? view(next) : view(*last_next)}});
    std::swap(*last_next, next);
    std::swap(*last_r, r);
  }
  y = std::move(next);
  return result;
}

}  // namespace retrace::inline RETRACE_ISA
