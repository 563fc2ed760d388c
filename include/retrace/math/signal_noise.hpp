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
