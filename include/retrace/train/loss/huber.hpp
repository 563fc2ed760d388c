// The Huber loss, for regression with outliers.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/train/loss/pointwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// The mean over all elements of d²/2 if |d| ≤ δ and δ·(|d| − δ/2) otherwise, with d = y − target
/// (Huber 1964). The gradient of an element is at most δ before the mean.
/// @throws std::invalid_argument unless δ is positive.
template <class T, Device D>
TargetLoss<T, D> huber(const Tensor<T, D>& target, double delta = 1) {
  if (!(delta > 0))
    throw std::invalid_argument("huber: delta is " + std::to_string(delta) +
                                ", but has to be positive");
  return {target.view(), PointwiseLoss::huber, delta};
}

}  // namespace retrace::inline RETRACE_ISA
