// The per-channel numbers that a batch normalisation multiplies and adds with.
#pragma once

#include "retrace/core/activation.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// u = scale·x + shift and z = (x − mean)·inverse_deviation, all [1,1,1,C]. scale and shift fold
/// the statistics and the parameters: scale = s/σ, shift = β − μ·s/σ.
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

/// What a normalisation's backward takes off g: (Σ g, Σ g·z) per channel, [2, C], over `pixels`.
template <Device D>
struct GradientSums {
  View<const double, D> sums;
  Index pixels;
};

}  // namespace retrace::inline RETRACE_ISA
