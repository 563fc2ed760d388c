// Smooth activations as stages.
#pragma once

#include "retrace/core/smooth_activation.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = f(x) with f one of core/smooth_activation.hpp.
///
/// Shapes    any [N,H,W,C].
/// Inverse   none.
/// Backward  dx = f′(x)·dy.
/// Tangent   w = f′(x)·u;  du = f′(x)·dw,  dx += f″(x)·u·dw.
/// Stores    nothing; the chain stores x.
template <class T, Device D, SmoothActivation f>
class Smooth {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;

  Shape output_shape(Shape x) const { return x; }
  static constexpr double lipschitz() { return 1; }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    smooth_activation(y, x, f, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    smooth_activation_gradient(dx, x, dy, f, how);
  }

  void tangent(View<T, D> w, View<const T, D> x, View<const T, D> u) const {
    smooth_activation_gradient(w, x, u, f, Store::set);
  }
  void tangent_gradient(View<const T, D> x, View<const T, D> u, View<const T, D> dw, View<T, D> dx,
                        View<T, D> du) const {
    smooth_activation_curvature(dx, x, u, dw, f, Store::add);
    smooth_activation_gradient(du, x, dw, f, Store::set);
  }

  template <class V>
  void inside(V) {}
};

/// y = tanh x.
template <class T, Device D>
using Tanh = Smooth<T, D, SmoothActivation::tanh>;
/// y = x if x > 0, exp(x) − 1 otherwise (Clevert et al. 2016).
template <class T, Device D>
using Elu = Smooth<T, D, SmoothActivation::elu>;
/// y = x·σ(x)/1.1, with a Lipschitz constant of 1 (Chen et al. 2019, §3.3, with β = 1).
template <class T, Device D>
using LipSwish = Smooth<T, D, SmoothActivation::lipswish>;

}  // namespace retrace::inline RETRACE_ISA
