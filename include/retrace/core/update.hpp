// The update rules of optimizers.
#pragma once

namespace retrace {

// Each rule updates a parameter w with gradient g. Plain data, identical for every instruction set,
// so compiled kernels can take it.

/// slope = g + decay·w,  v = factor·v + slope,  w −= rate·v; with Nesterov's momentum the last is
/// w −= rate·(slope + factor·v)   (Sutskever et al. 2013, in PyTorch's form)
struct Momentum {
  double factor = 0;
  bool nesterov = false;
};

/// m = β₁·m + (1 − β₁)·g,  v = β₂·v + (1 − β₂)·g²,
/// w −= rate·(m/correction₁ / (√(v/correction₂) + ε) + decay·w). The corrections are 1 − βᵗ at step
/// t (Kingma & Ba 2015; decay as in Loshchilov & Hutter 2019).
struct AdamStep {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, correction1 = 1, correction2 = 1;
};

/// w −= rate·(sign(β₁·m + (1 − β₁)·g) + decay·w),  m = β₂·m + (1 − β₂)·g   (Chen et al. 2023)
struct LionStep {
  double beta1 = 0.9, beta2 = 0.99;
};

}  // namespace retrace
