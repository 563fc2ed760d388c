// How much of the signal-to-noise ratio remains when a layer is inverted.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

// The functions below compute α = snr(x̂)/snr(ŷ), a ratio of powers, of a layer y = f(x) inverted
// from ŷ: y plus weak white noise (Hascoet et al., §4.1).

/// Converts a ratio of powers to decibels.
inline double decibels(double ratio) { return 10 * std::log10(ratio); }

/// Returns α of a leaky rectifier of slope n: 4/((1 + 1/n²)(1 + n²)) for an input symmetric about 0
/// (ibid., eq. 32c).
inline double leaky_relu_noise_gain(double slope) {
  const double square = slope * slope;
  return 4 / ((1 + 1 / square) * (1 + square));
}

/// Returns α of a normalisation y = s·(x − μ)/σ + β, with per-channel spans of one length:
/// Σ(μ² + σ²)/Σ(s² + β²) · C/Σ(σ²/s²) (ibid., eqs. 24 to 26; the square is missing in 25g and 26d).
/// An invertible normalisation has s = |γ| + ε_i.
inline double normalisation_noise_gain(std::span<const double> mean,
                                       std::span<const double> deviation,
                                       std::span<const double> scale,
                                       std::span<const double> shift) {
  double input = 0, output = 0, noise = 0;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double ratio = deviation[c] / scale[c];
    input += mean[c] * mean[c] + deviation[c] * deviation[c];
    output += scale[c] * scale[c] + shift[c] * shift[c];
    noise += ratio * ratio;
  }
  return input / output * static_cast<double>(mean.size()) / noise;
}

/// Returns α of the paper's toy normalisation of two channels, scaled by 1 and ρ (ibid., eq. 23c).
inline double toy_normalisation_noise_gain(double rho) { return leaky_relu_noise_gain(rho); }

/// Returns the mean square of a convolution's output for white noise of mean square 1, ignoring
/// borders.
/// @param square_sum  the sum of squared weights
inline double convolution_noise_power(double square_sum, double output_channels) {
  return square_sum / output_channels;
}

/// Returns α of an additive coupling. `signal_ratio` is |x|²/|y|²; f and g are the mean squares of
/// the linearised branches' outputs for white noise of mean square 1.
///
/// The reconstructed x̂₂ has the noise of ŷ₂ plus g times that of ŷ₁, and x̂₁ has the noise of ŷ₁
/// plus f times that of x̂₂: α = |x|²/|y|² · 2/((1 + g) + (1 + f·(1 + g))). This assumes that noise
/// that reaches x̂₁ directly is uncorrelated with noise that reaches it through both branches.
inline double coupling_noise_gain(double signal_ratio, double f, double g) {
  return signal_ratio * 2 / ((1 + g) + (1 + f * (1 + g)));
}

}  // namespace retrace::inline RETRACE_ISA::math
