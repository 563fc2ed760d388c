// The losses that compare a value with its target, element by element.
#pragma once

namespace retrace {

/// Of d = y − t:
enum class PointwiseLoss {
  squared,   ///< d²
  huber,     ///< d²/2 where |d| ≤ δ, and δ·(|d| − δ/2) elsewhere
  logistic,  ///< −t·log σ(y) − (1 − t)·log(1 − σ(y)), where σ(y) = 1/(1 + e⁻ʸ)
};

/// Without functions, it is the same for every instruction set, and compiled kernels take it.
struct PointwiseTerms {
  PointwiseLoss loss = PointwiseLoss::squared;
  double delta = 1;    ///< δ
  double divisor = 1;  ///< of gradients
};

}  // namespace retrace
