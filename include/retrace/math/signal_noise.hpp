// The signal-to-noise ratio of a reconstruction.
#pragma once

#include <cmath>
#include <limits>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// Σ x² and Σ (x − x̂)² over elements x and their reconstructions x̂ (Hascoet et al., §4.1).
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

  /// Returns whether all values and their squares are finite.
  bool finite() const { return std::isfinite(signal) && std::isfinite(noise); }
  /// Returns 10·log₁₀(signal/noise): infinite if there is no noise, −∞ if a value is not finite.
  double decibels() const {
    if (noise == 0) return std::numeric_limits<double>::infinity();
    const double ratio = 10 * std::log10(signal / noise);
    return std::isnan(ratio) || std::isinf(noise) ? -std::numeric_limits<double>::infinity()
                                                  : ratio;
  }
  /// Returns √(noise/signal): 0 if there is no noise, infinite if a value is not finite.
  double relative_error() const {
    if (noise == 0) return 0;
    const double ratio = std::sqrt(noise / signal);
    return std::isnan(ratio) ? std::numeric_limits<double>::infinity() : ratio;
  }
};

/// Estimates the relative error of a gradient, |ĝ − g|/|g| over all parameters, from the
/// signal-to-noise ratio of the worst reconstructed input.
///
/// For a signal of amplitude 1, noise of amplitude e moves a fraction e/π of normally distributed
/// values across the kink of a rectifier. Each of their derivatives is wrong, so the relative error
/// of the gradient is √(2e/π): 40 dB more, not 20 dB, reduce it to a tenth. The measured factor 5
/// (docs/numerics.md) instead of √(2/π) covers the sum over layers and the scatter of steps in
/// which few values cross the kink.
inline double gradient_error(double decibels) { return 5 * std::pow(10, -decibels / 40); }

/// Returns the k-th of the scattered places in `size` elements. A hash of k (Steele et al. 2014,
/// SplitMix64) makes them reproducible and spreads them evenly over channels for any shape.
constexpr Index scattered_place(Index k, Index size) {
  std::uint64_t hash = static_cast<std::uint64_t>(k + 1) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9u;
  hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBu;
  hash ^= hash >> 31;
  return static_cast<Index>(static_cast<double>(hash >> 11) * 0x1p-53 * static_cast<double>(size));
}

}  // namespace retrace::inline RETRACE_ISA::math
