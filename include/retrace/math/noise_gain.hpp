// How much of the signal-to-noise ratio a layer leaves when it is inverted.
#pragma once

#include <cmath>
#include <cstddef>
#include <span>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// All of them give α = snr(x̂)/snr(ŷ), a ratio of powers, for a layer y = f(x) inverted from ŷ,
/// which is y and white noise, small beside y. Hascoet et al., §4.1.
inline double decibels(double ratio) { return 10 * std::log10(ratio); }

/// α of a leaky rectifier of slope n: 4/((1 + 1/n²)(1 + n²)) for an input symmetric about 0
/// (ibid., eq. 32c).
inline double leaky_relu_noise_gain(double slope) {
  const double square = slope * slope;
  return 4 / ((1 + 1 / square) * (1 + square));
}

/// α of a normalisation y = s·(x − μ)/σ + β from its channels' numbers, all of one length:
/// Σ(μ² + σ²)/Σ(s² + β²) · C/Σ(σ²/s²) (ibid., eqs. 24 to 26, whose 25g and 26d lose the square).
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

/// The paper's toy normalisation: two channels, scaled by 1 and ρ (ibid., eq. 23c).
inline double toy_normalisation_noise_gain(double rho) { return leaky_relu_noise_gain(rho); }

/// The mean square that a convolution makes of white noise of mean square 1, borders apart.
/// @param square_sum  of the weights
inline double convolution_noise_power(double square_sum, double output_channels) {
  return square_sum / output_channels;
}

/// α of an additive coupling, from |x|²/|y|² and the mean squares f and g that its linearised
/// branches make of white noise. Inverted, x̂₂ has the noise of ŷ₂ and g times that of ŷ₁, and x̂₁
/// that of ŷ₁ and f times that of x̂₂: α = |x|²/|y|² · 2/((1 + g) + (1 + f·(1 + g))), as long as
/// what reaches x̂₁ directly and by way of both branches has nothing in common.
inline double coupling_noise_gain(double signal_ratio, double f, double g) {
  return signal_ratio * 2 / ((1 + g) + (1 + f * (1 + g)));
}

}  // namespace retrace::inline RETRACE_ISA::math
