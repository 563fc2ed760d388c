// The state of a reversible network, made of the state of an ordinary one.
#pragma once

#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = (x, x): both channel halves of a reversible network begin with the same (Kitaev et al.
/// 2020).
///
/// Shapes    x [N,H,W,C], y [N,H,W,2C].
/// Inverse   none is needed: x is never stored.
/// Backward  dx = dy₁ + dy₂.
/// Stores    nothing.
template <class T, Device D>
class Duplicate {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool reads_input = false;

  Shape output_shape(Shape x) const { return with_channels(x, 2 * x.c); }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("Duplicate", "y", y.shape(), "x twice", output_shape(x.shape()));
    const auto [y1, y2] = halves(y);
    store_value(how, y1, x);
    store_value(how, y2, x);
  }
  void gradient(View<const T, D>, View<const T, D> dy, View<T, D> dx, Store how) const {
    const auto [dy1, dy2] = halves(dy);
    store_value(how, dx, dy1);
    add(dx, dy2, how == Store::subtract ? Store::subtract : Store::add);
  }

  template <class V>
  void inside(V) {}
};

}  // namespace retrace::inline RETRACE_ISA
