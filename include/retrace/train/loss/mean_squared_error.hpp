// The mean squared error, for regression.
#pragma once

#include "retrace/train/loss/pointwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// The mean over all elements of (y − target)².
template <class T, Device D>
TargetLoss<T, D> mean_squared_error(const Tensor<T, D>& target) {
  return {target.view(), PointwiseLoss::squared};
}

}  // namespace retrace::inline RETRACE_ISA
