// The invertible leaky rectifier.
#pragma once

#include <cmath>
#include <stdexcept>
#include <string>

#include "retrace/core/activation.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x if x > 0, y = a·x otherwise, with slope a > 0 (Maas et al. 2013, §2).
///
/// Shapes    any [N,H,W,C].
/// Inverse   x = y if y > 0, x = y/a otherwise. Bit-exact when a is a power of two, one
///           rounding otherwise. An error in y is multiplied by up to 1/a, so choose a near 1 in
///           a deep stack.
/// Backward  dx = dy if y > 0, dx = a·dy otherwise.
/// Stores    nothing.
template <class T, Device D>
class LeakyRelu {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless slope is positive and finite.
  explicit LeakyRelu(double slope) : activation_(leaky_relu(slope)) {
    if (!(slope > 0) || !std::isfinite(slope))
      throw std::invalid_argument("LeakyRelu: slope must be positive and finite, got " +
                                  std::to_string(slope));
  }

  Shape output_shape(Shape x) const { return x; }

  void forward(State& x, Run) { activate(x.view(), activation_); }
  void inverse(State& y, Run) { deactivate(y.view(), activation_); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("LeakyRelu", "y", y.shape(), "dy", dy.shape());
    activate_backward(dy.view(), y.view(), activation_);
    deactivate(y.view(), activation_);
  }

  template <class V>
  void inside(V) {}

 private:
  Activation activation_;
};

}  // namespace retrace::inline RETRACE_ISA
