// The fully connected layer.
#pragma once

#include "retrace/core/operations.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x·w + b, at every pixel.
///
/// Shapes    x [N,H,W,C], w [C,K], b [K], y [N,H,W,K].
/// Inverse   none.
/// Backward  dw += xᵀ·dy,  db += Σ dy,  dx = dy·wᵀ.
/// Tangent   that of x·w alone.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class Linear {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param gain  a factor of the weights' first deviation, √(2/C)
  Linear(D& device, Index in, Index out, Random& random, double gain = 1)
      : weight_(device, {1, 1, in, out}, true), bias_(device, per_channel(out), false) {
    he_normal(weight_.value, in, random, gain);
  }

  Index input_channels() const { return weight_.value.shape().w; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("Linear", "x", x, input_channels());
    return with_channels(x, bias_.value.shape().c);
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("Linear", "y", y.shape(), "the product of x", output_shape(x.shape()));
    if constexpr (operations::Multiplies<D, T>) {
      matmul(as_matrix(y), as_matrix(x), Factor::plain, weight_.value.view(), Factor::plain, how);
      add_to_pixels(y, bias_.value.view(), how);
    } else {
      store_by(how, y, Use::activation, [&](View<T, D> value) {
        conv2d(rows(value), rows(x), weight_.value.view(), 1);
        add_to_pixels(value, bias_.value.view());
      });
    }
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    product_gradient(x, dy, dx, how);
    bias_.accumulate([&](View<T, D> db) { add_pixel_sums(db, dy); });
  }

  void tangent(View<T, D> w, View<const T, D>, View<const T, D> u) const {
    if constexpr (operations::Multiplies<D, T>)
      matmul(as_matrix(w), as_matrix(u), Factor::plain, weight_.value.view(), Factor::plain,
             Store::set);
    else
      conv2d(rows(w), rows(u), weight_.value.view(), 1);
  }
  void tangent_gradient(View<const T, D>, View<const T, D> u, View<const T, D> dw, View<T, D>,
                        View<T, D> du) {
    product_gradient(u, dw, du, Store::set);
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_);
    visit("bias", bias_);
  }

  Parameter<T, D>& weight() { return weight_; }
  Parameter<T, D>& bias() { return bias_; }

 private:
  /// Of x·w.
  void product_gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    if constexpr (operations::Multiplies<D, T>) {
      matmul(as_matrix(dx), as_matrix(dy), Factor::plain, weight_.value.view(), Factor::transposed,
             how);
      weight_.accumulate([&](View<T, D> dw) {
        matmul(dw, as_matrix(x), Factor::transposed, as_matrix(dy), Factor::plain, Store::add);
      });
    } else {
      conv2d_input_gradient(rows(dx), rows(dy), weight_.value.view(), 1, how);
      weight_.accumulate([&](View<T, D> dw) { conv2d_weight_gradient(dw, rows(x), rows(dy), 1); });
    }
  }

  /// All pixels as one image, eight in a row if their number allows it, as the kernels of 1 x 1
  /// convolutions like it on a device without matrix products.
  template <class U>
  static View<U, D> rows(View<U, D> x) {
    const Index pixels = x.shape().pixels(), wide = pixels % 8 == 0 ? 8 : 1;
    return {x.device(), x.data(), {1, pixels / wide, wide, x.shape().c}, x.pitch()};
  }

  Parameter<T, D> weight_, bias_;
};

}  // namespace retrace::inline RETRACE_ISA
