// How an optimizer moves a parameter, element by element.
#pragma once

namespace retrace {

// Of a parameter w with gradient g. Without functions, these are the same for every instruction
// set, and compiled kernels take them.

/// slope = g + decay·w,  v = factor·v + slope,  w −= rate·v       (Sutskever et al. 2013, in
/// Nesterov's instead ends with  w −= rate·(slope + factor·v)      PyTorch's form)
struct Momentum {
  double factor = 0;
  bool nesterov = false;
};

/// m = β₁·m + (1 − β₁)·g,  v = β₂·v + (1 − β₂)·g²,
/// w −= rate·(m/correction₁ / (√(v/correction₂) + ε) + decay·w), where the corrections are 1 − βᵗ
/// at step t (Kingma & Ba 2015; decay as in Loshchilov & Hutter 2019).
struct AdamStep {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, correction1 = 1, correction2 = 1;
};

/// w −= rate·(sign(β₁·m + (1 − β₁)·g) + decay·w),  m = β₂·m + (1 − β₂)·g   (Chen et al. 2023)
struct LionStep {
  double beta1 = 0.9, beta2 = 0.99;
};

}  // namespace retrace
