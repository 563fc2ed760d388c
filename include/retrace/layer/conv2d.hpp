// Convolution.
#pragma once

#include <utility>

#include "retrace/layer/conv_weight.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/norm_act_conv.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x ∗ w, without bias.
///
/// Shapes    x [N,H,W,C], w [k,k,C,K], y [N,⌈H/s⌉,⌈W/s⌉,K] for a stride of s.
/// Inverse   none.
/// Backward  dw += xᵀ ∗ dy,  dx = dy ∗ w turned by 180° with channels exchanged.
/// Tangent   w = u ∗ w with the backward pass of y.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class Conv2d {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument for an even kernel, a stride other than 1 or 2, or no channels.
  Conv2d(D& device, Index in, Index out, Random& random, ConvOptions options = {})
      : weight_(device, in, out, random, options) {}

  Index input_channels() const { return weight_.in(); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const { return weight_.output_shape("Conv2d", x); }

  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) const {
    apply(y, x, run, how, nullptr, nullptr);
  }
  void apply(View<T, D> y, View<const T, D> x, Run, Store how, const Moments<D>*,
             Moments<D>* of_y) const {
    require_same_shape("Conv2d", "y", y.shape(), "the convolution of x", output_shape(x.shape()));
    weight_.apply(y, x, how, nullptr, of_y);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    weight_.input_gradient(dx, dy, how);
    weight_.add_weight_gradient(x, dy);
  }

  void tangent(View<T, D> w, View<const T, D>, View<const T, D> u) const {
    weight_.apply(w, u, Store::set);
  }
  void tangent_gradient(View<const T, D>, View<const T, D> u, View<const T, D> dw, View<T, D>,
                        View<T, D> du) {
    weight_.input_gradient(du, dw, Store::set);
    weight_.add_weight_gradient(u, dw);
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_.parameter());
  }

  Parameter<T, D>& weight() { return weight_.parameter(); }
  /// The normalisation and the convolution as one stage.
  NormActConv<T, D> behind(ChannelNormalisation<T, D> norm) && {
    return {std::move(norm), std::move(weight_)};
  }

 private:
  ConvWeight<T, D> weight_;
};

}  // namespace retrace::inline RETRACE_ISA
