// The rectifier.
#pragma once

#include "retrace/core/activation.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = max(x, 0) (Nair & Hinton 2010).
///
/// Shapes    any [N,H,W,C].
/// Inverse   none.
/// Backward  dx = dy if x > 0, 0 otherwise.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class Relu {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;

  Shape output_shape(Shape x) const { return x; }
  static constexpr double lipschitz() { return 1; }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("Relu", "y", y.shape(), "x", x.shape());
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      copy_unless_same(value, x);
      activate(value, relu);
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    store_by(how, dx, Use::gradient, [&](View<T, D> value) {
      copy_unless_same(value, dy);
      activate_backward(value, x, relu);
    });
  }

  template <class V>
  void inside(V) {}
};

}  // namespace retrace::inline RETRACE_ISA
