// Batch normalisation of one channel: scales, deviations and their gradients.
#pragma once

#include <cmath>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// How the scale s of a standardised value is computed from γ.
struct ScaleRule {
  bool positive;  ///< s = |γ| + floor, which is never 0; otherwise s = γ
  double floor;

  template <class T>
  constexpr T scale(T gamma) const {
    return positive ? (gamma < 0 ? -gamma : gamma) + static_cast<T>(floor) : gamma;
  }
  /// Returns ds/dγ, with sign(0) = 1.
  template <class T>
  constexpr T derivative(T gamma) const {
    return positive && gamma < 0 ? T(-1) : T(1);
  }
};

/// Returns 1/σ with σ² = variance + ε.
inline double inverse_deviation(double variance, double epsilon) {
  return 1 / std::sqrt(variance + epsilon);
}

/// Returns a running average after one step of size `momentum` towards a measurement.
constexpr double moved_towards(double running, double measured, double momentum) {
  return running + momentum * (measured - running);
}

/// Returns whether a value is neither infinite nor NaN.
template <class T>
constexpr bool finite(T value) {
  return value - value == T(0);
}

}  // namespace retrace::inline RETRACE_ISA::math
