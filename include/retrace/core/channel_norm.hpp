// The per-channel scales and shifts that batch normalisation applies.
#pragma once

#include "retrace/core/activation.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// u = scale·x + shift and z = (x − mean)·inverse_deviation, all [1,1,1,C]. scale and shift combine
/// the statistics with the parameters: scale = s/σ, shift = β − μ·s/σ.
template <class T, Device D>
struct ChannelNorm {
  View<const T, D> mean, inverse_deviation, scale, shift;
};

/// act(scale·x + shift), which a convolution applies to its input as it reads it.
template <class T, Device D>
struct NormActivation {
  ChannelNorm<T, D> norm;
  Activation activation;
};

/// Per-channel sums (Σ g, Σ g·z), [2, C], over `pixels`: the correction that the backward pass of a
/// normalisation subtracts from g.
template <Device D>
struct GradientSums {
  View<const double, D> sums;
  Index pixels;
};

}  // namespace retrace::inline RETRACE_ISA
