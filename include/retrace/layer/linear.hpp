// The fully connected layer.
#pragma once

#include <string>

#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·w + b, at every pixel.
///
/// Shapes    x [N,H,W,C], w [C,K], b [K], y [N,H,W,K].
/// Inverse   none.
/// Backward  dw += xᵀ·dy,  db += Σ dy,  dx = dy·wᵀ.
/// Stores    x, until backward.
template <class T, Device D>
class Linear {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  Linear(D& device, Index in, Index out, Random& random)
      : weight_(device, {1, 1, in, out}, true), bias_(device, per_channel(out), false) {
    he_normal(weight_.value, in, random);
  }

  void forward(State& x, Run run) {
    require_channels("Linear::forward", "x", x.shape(), weight_.value.shape().w);
    State y(x.device(), with_channels(x.shape(), bias_.value.shape().c));
    conv2d(rows(y.view()), rows(x.view()), weight_.value.view(), 1);
    add_to_pixels(y.view(), bias_.value.view());
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "Linear::backward";
    const Shape shape = kept_.peek(where).shape();
    require_same_shape(where, "y", with_channels(shape, bias_.value.shape().c), "dy", dy.shape());
    y = kept_.give_back(where);
    Gradient dx(dy.device(), shape, Use::gradient);
    conv2d_input_gradient(rows(dx.view()), rows(dy.view()), weight_.value.view(), 1);
    add_gradients(y.view(), dy.view());
    dy = std::move(dx);
  }

  void abandon() { kept_.abandon(); }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    list.add(joined(prefix, "weight"), weight_);
    list.add(joined(prefix, "bias"), bias_);
  }
  static constexpr bool reads_output() { return false; }

  Parameter<T, D>& weight() { return weight_; }
  Parameter<T, D>& bias() { return bias_; }

 private:
  void add_gradients(View<const T, D> x, View<const T, D> dy) {
    if (weight_.adds != Adds::none) {
      conv2d_weight_gradient(weight_.accumulator(), rows(x), rows(dy), 1);
      weight_.complete();
    }
    if (bias_.adds != Adds::none) {
      add_pixel_sums(bias_.accumulator(), dy);
      bias_.complete();
    }
  }

  /// All pixels as one image, in rows that are wide where they can be: a 1 x 1 convolution does
  /// not mind, and its kernels like eight pixels in a row.
  template <class U>
  static View<U, D> rows(View<U, D> x) {
    const Index pixels = x.shape().pixels(), wide = pixels % 8 == 0 ? 8 : 1;
    return {x.device(), x.data(), {1, pixels / wide, wide, x.shape().c}, x.pitch()};
  }

  Parameter<T, D> weight_, bias_;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
