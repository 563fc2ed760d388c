// Convolution.
#pragma once

#include <string>
#include <utility>

#include "retrace/layer/conv_weight.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/norm_act_conv.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x ∗ w, without bias.
///
/// Shapes    x [N,H,W,C], w [k,k,C,K], y [N,⌈H/s⌉,⌈W/s⌉,K] for a stride of s.
/// Inverse   none.
/// Backward  dw += xᵀ ∗ dy,  dx = dy ∗ w turned by 180° with channels exchanged.
/// Stores    x, until backward.
template <class T, Device D>
class Conv2d {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  Conv2d(D& device, Index in, Index out, Random& random, ConvOptions options = {})
      : weight_(device, in, out, random, options) {}

  void forward(State& x, Run run) {
    require_channels("Conv2d::forward", "x", x.shape(), weight_.in());
    State y(x.device(), weight_.output_shape(x.shape()));
    weight_.apply(y.view(), x.view(), Store::set);
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "Conv2d::backward";
    const Shape x_shape = kept_.peek(where).shape();
    require_same_shape(where, "y", weight_.output_shape(x_shape), "dy", dy.shape());
    y = kept_.give_back(where);
    Gradient dx(dy.device(), x_shape, Use::gradient);
    weight_.input_gradient(dx.view(), dy.view(), Store::set);
    weight_.add_weight_gradient(y.view(), dy.view());
    dy = std::move(dx);
  }

  // As a stage of a branch, out of place:

  Shape output_shape(Shape x) const { return weight_.output_shape(x); }
  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_channels("Conv2d::apply", "x", x.shape(), weight_.in());
    weight_.apply(y, x, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    weight_.input_gradient(dx, dy, how);
    weight_.add_weight_gradient(x, dy);
  }

  void abandon() { kept_.abandon(); }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    list.add(joined(prefix, "weight"), weight_.parameter());
  }
  static constexpr bool reads_output() { return false; }

  Parameter<T, D>& weight() { return weight_.parameter(); }
  /// The two as one layer.
  NormActConv<T, D> behind(ChannelNormalisation<T, D> norm) && {
    return {std::move(norm), std::move(weight_)};
  }

 private:
  ConvWeight<T, D> weight_;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
