// Binary cross-entropy, element by element.
#pragma once

#include "retrace/train/loss/pointwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// The mean over all elements of −t·log σ(y) − (1 − t)·log(1 − σ(y)), where y are logits, t are
/// targets from 0 to 1 and σ(y) = 1/(1 + e⁻ʸ). It is computed as max(y, 0) − y·t + log(1 + e^−|y|),
/// which does not overflow.
template <class T, Device D>
TargetLoss<T, D> binary_cross_entropy(const Tensor<T, D>& target) {
  return {target.view(), PointwiseLoss::logistic};
}

}  // namespace retrace::inline RETRACE_ISA
