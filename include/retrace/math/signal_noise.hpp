// The signal-to-noise ratio of a reconstruction.
#pragma once

#include <cmath>
#include <limits>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// Σ x² and Σ (x − x̂)² over elements of a truth x and its reconstruction x̂ (Hascoet et al., §4.1).
struct SignalNoise {
  double signal = 0, noise = 0;

  void add(double truth, double found) {
    signal += truth * truth;
    noise += (truth - found) * (truth - found);
  }
  SignalNoise& operator+=(const SignalNoise& other) {
    signal += other.signal;
    noise += other.noise;
    return *this;
  }

  /// Whether all values were finite, and so were their squares.
  bool finite() const { return std::isfinite(signal) && std::isfinite(noise); }
  /// 10·log₁₀(signal/noise). Infinite where nothing is wrong, −∞ where something is no number.
  double decibels() const {
    if (noise == 0) return std::numeric_limits<double>::infinity();
    const double ratio = 10 * std::log10(signal / noise);
    return std::isnan(ratio) || std::isinf(noise) ? -std::numeric_limits<double>::infinity()
                                                  : ratio;
  }
  /// √(noise/signal): 0 where nothing is wrong, infinite where something is no number.
  double relative_error() const {
    if (noise == 0) return 0;
    const double ratio = std::sqrt(noise / signal);
    return std::isnan(ratio) ? std::numeric_limits<double>::infinity() : ratio;
  }
};

/// Estimates the relative error of a gradient, |ĝ − g|/|g| over all parameters, when the worst
/// input it was computed from was reconstructed with so many decibels.
///
/// Noise of amplitude e, beside a signal of 1, moves a share e/π of normally distributed values
/// across the kink of a rectifier. Their derivatives are wrong altogether, so that the relative
/// error of the gradient is √(2e/π): it is a tenth after 40 dB more, not after 20. The factor 5
/// instead of √(2/π) covers the sum over layers and the scatter of steps in which few values
/// crossed; it is measured (docs/numerics.md).
inline double gradient_error(double decibels) { return 5 * std::pow(10, -decibels / 40); }

/// The k-th of places scattered over `size`, the same ones every time: k hashed (Steele et al.
/// 2014, SplitMix64), so that they fall on all channels alike whatever the shape is.
constexpr Index scattered_place(Index k, Index size) {
  std::uint64_t hash = static_cast<std::uint64_t>(k + 1) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
  hash ^= hash >> 31;
  return static_cast<Index>(static_cast<double>(hash >> 11) * 0x1p-53 * static_cast<double>(size));
}

}  // namespace retrace::inline RETRACE_ISA::math
