// Mean and variance of each channel over a batch.
#pragma once

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// Mean and biased variance per channel, [1,1,1,C], in double.
template <Device D>
struct Moments {
  Tensor<double, D> mean, variance;

  Moments(D& device, Index channels)
      : mean(device, per_channel(channels), Use::workspace),
        variance(device, per_channel(channels), Use::workspace) {}
};

}  // namespace retrace::inline RETRACE_ISA
