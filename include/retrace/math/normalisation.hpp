// Batch normalisation on one channel: scales, deviations and their gradients.
#pragma once

#include <cmath>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// How γ becomes the scale s that multiplies a standardised value.
struct ScaleRule {
  bool positive;  ///< s = |γ| + floor, which divides out for every γ; s = γ otherwise
  double floor;

  template <class T>
  constexpr T scale(T gamma) const {
    return positive ? (gamma < 0 ? -gamma : gamma) + static_cast<T>(floor) : gamma;
  }
  /// ds/dγ, with sign(0) = 1.
  template <class T>
  constexpr T derivative(T gamma) const {
    return positive && gamma < 0 ? T(-1) : T(1);
  }
};

/// 1/σ with σ² = variance + ε.
inline double inverse_deviation(double variance, double epsilon) {
  return 1 / std::sqrt(variance + epsilon);
}

/// A running average moves by `momentum` towards what was measured.
constexpr double moved_towards(double running, double measured, double momentum) {
  return running + momentum * (measured - running);
}

/// Whether a value is neither infinite nor NaN.
template <class T>
constexpr bool finite(T value) {
  return value - value == T(0);
}

}  // namespace retrace::inline RETRACE_ISA::math
