// Losses that compare a prediction with its target, element by element.
#pragma once

namespace retrace {

/// A loss L(y, t), with d = y − t.
enum class PointwiseLoss {
  squared,   ///< d²
  huber,     ///< d²/2 if |d| ≤ δ, and δ·(|d| − δ/2) otherwise
  logistic,  ///< −t·log σ(y) − (1 − t)·log(1 − σ(y)), where σ(y) = 1/(1 + e⁻ʸ)
};

/// Plain data, identical for every instruction set, so compiled kernels can take it.
struct PointwiseTerms {
  PointwiseLoss loss = PointwiseLoss::squared;
  double delta = 1;    ///< δ
  double divisor = 1;  ///< divides the gradients
};

}  // namespace retrace
