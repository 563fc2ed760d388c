// Gelu and Silu, by themselves and in gated units.
#pragma once

#include "retrace/core/gate.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·σ(v(x)), with v(x) = 2√(2/π)·(x + 0.044715·x³) for Gelu and v(x) = x for Silu (Hendrycks &
/// Gimpel 2016).
///
/// Shapes    any [N,H,W,C].
/// Inverse   none.
/// Backward  dx = dy·(s + x·s·(1 − s)·v′) with s = σ(v).
/// Stores    nothing; the chain stores x.
template <class T, Device D, Gate gate>
class GateActivation {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;

  Shape output_shape(Shape x) const { return x; }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape(name, "y", y.shape(), "x", x.shape());
    apply_gate(y, x, gate, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    apply_gate_backward(dx, x, dy, gate, how);
  }

  template <class V>
  void inside(V) {}

 private:
  static constexpr const char* name = gate == Gate::gelu ? "Gelu" : "Silu";
};

template <class T, Device D>
using Gelu = GateActivation<T, D, Gate::gelu>;
template <class T, Device D>
using Silu = GateActivation<T, D, Gate::silu>;

/// y = act(x₁)·x₂ on the channel halves of x: between two Linear layers, the gated feed-forward
/// layer of Shazeer 2020 (SwiGLU with Silu, GEGLU with Gelu).
///
/// Shapes    x [N,H,W,2C], y [N,H,W,C].
/// Inverse   none.
/// Backward  dx₁ = dy·x₂·act′(x₁),  dx₂ = dy·act(x₁).
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class GatedUnit {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  explicit GatedUnit(Gate gate = Gate::silu) : gate_(gate) {}

  /// @throws ShapeError if the number of channels is odd.
  Shape output_shape(Shape x) const {
    if (x.c % 2 != 0)
      throw ShapeError("GatedUnit: x is " + to_string(x) +
                       " but must have an even number of channels");
    return with_channels(x, x.c / 2);
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("GatedUnit", "y", y.shape(), "half of x", output_shape(x.shape()));
    apply_gated_unit(y, x, gate_, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    apply_gated_unit_backward(dx, x, dy, gate_, how);
  }

  template <class V>
  void inside(V) {}

 private:
  Gate gate_;
};

}  // namespace retrace::inline RETRACE_ISA
