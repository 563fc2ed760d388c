// The rectifier.
#pragma once

#include "retrace/core/activation.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = max(x, 0) (Nair & Hinton 2010).
///
/// Shapes    any [N,H,W,C].
/// Inverse   none.
/// Backward  dx = dy where x > 0, 0 elsewhere.
/// Stores    x, until backward.
template <class T, Device D>
class Relu {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  void forward(State& x, Run run) {
    State y = clone(x);
    activate(y.view(), relu);
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "Relu::backward";
    require_same_shape(where, "x", kept_.peek(where).shape(), "dy", dy.shape());
    y = kept_.give_back(where);
    activate_backward(dy.view(), y.view(), relu);
  }

  void abandon() { kept_.abandon(); }
  static constexpr bool reads_output() { return false; }

 private:
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
