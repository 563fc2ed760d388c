// Bias, activation and convolution as one stage.
#pragma once

#include <optional>
#include <utility>

#include "retrace/core/channel_norm.hpp"
#include "retrace/layer/conv_weight.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// A bias per channel, and an activation behind it: act(x + b) as a normalisation by constants.
template <class T, Device D>
class BiasActivation {
 public:
  BiasActivation(D& device, Index channels, Activation activation)
      : bias_(device, per_channel(channels), false), activation_(activation) {}

  /// The coefficients while an operation uses them.
  struct Constants {
    Tensor<T, D> zero, one;
    View<const T, D> bias;

    explicit Constants(const Parameter<T, D>& b)
        : zero(b.value.device(), b.value.shape(), Use::workspace),
          one(b.value.device(), b.value.shape(), Use::workspace),
          bias(b.value.view()) {
      fill(zero.view(), T(0));
      fill(one.view(), T(1));
    }
    ChannelNorm<T, D> norm() const { return {zero.view(), one.view(), one.view(), bias}; }
  };

  Constants constants() const { return Constants(bias_); }
  Index channels() const { return bias_.value.shape().c; }
  Activation activation() const { return activation_; }
  Parameter<T, D>& bias() { return bias_; }

  Tensor<double, D> sums() const {
    return {bias_.value.device(), {1, 1, 2, channels()}, Use::workspace};
  }
  /// db += Σ g, of sums = (Σ g, Σ g·z).
  void add_gradient(const Tensor<double, D>& sums) {
    bias_.accumulate([&](View<T, D> db) {
      Tensor<T, D> unused(db.device(), db.shape(), Use::workspace);
      fill(unused.view(), T(0));
      add_normalisation_gradient(unused.view(), db, std::as_const(unused).view(), sums.view(), {});
    });
  }
  /// dx =, += or −= act′(x + b)·dy.
  void backward(View<T, D> dx, View<const T, D> x, View<const T, D> dy, Store how) const {
    Tensor<double, D> none = sums();
    fill(none.view(), 0.0);
    const Constants at = constants();
    normalise_activate_backward(dx, x, dy, GradientSums<D>{std::as_const(none).view(), 1},
                                at.norm(), activation_, how);
  }

 private:
  Parameter<T, D> bias_;
  Activation activation_;
};

/// y = act(x + b), with one b per channel.
///
/// Shapes    x, y [N,H,W,C]; b [C].
/// Inverse   none.
/// Backward  dx = g = dy·act′(x + b),  db += Σ g.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class ChannelBias {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;

  ChannelBias(D& device, Index channels, Activation activation = identity)
      : bias_(device, channels, activation) {}

  Index input_channels() const { return bias_.channels(); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("ChannelBias", "x", x, bias_.channels());
    return x;
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("ChannelBias", "y", y.shape(), "x", output_shape(x.shape()));
    const auto at = bias_.constants();
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      normalise_activate(value, x, at.norm(), bias_.activation());
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    std::optional<Tensor<double, D>> sums;
    if (bias_.bias().accumulates()) {
      const auto at = bias_.constants();
      normalise_activate_sums(sums.emplace(bias_.sums()).view(), x, dy, at.norm(),
                              bias_.activation());
    }
    bias_.backward(dx, x, dy, how);
    if (sums) bias_.add_gradient(*sums);
  }

  template <class V>
  void inside(V visit) {
    visit("bias", bias_.bias());
  }

 private:
  BiasActivation<T, D> bias_;
};

/// y = act(x + b) ∗ w: the unit of networks without normalisation. The convolution adds and
/// activates as it reads.
///
/// Shapes    x [N,H,W,C], b [C], w [k,k,C,K], y [N,⌈H/s⌉,⌈W/s⌉,K] for a stride of s.
/// Inverse   none.
/// Backward  with a = act(x + b), recomputed as it is read:  dw += aᵀ ∗ dy,  da = dy ∗ wᵀ,
///           dx = g = da·act′(x + b),  db += Σ g.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class BiasActConv {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument as Conv2d.
  BiasActConv(D& device, Index in, Index out, Random& random, ConvOptions options = {},
              Activation activation = relu)
      : bias_(device, in, activation), weight_(device, in, out, random, options) {}

  Index input_channels() const { return weight_.in(); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const { return weight_.output_shape("BiasActConv", x); }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("BiasActConv", "y", y.shape(), "the convolution of x",
                       output_shape(x.shape()));
    const auto at = bias_.constants();
    const NormActivation<T, D> prologue{at.norm(), bias_.activation()};
    weight_.apply(y, x, how, &prologue);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    const auto at = bias_.constants();
    const NormActivation<T, D> prologue{at.norm(), bias_.activation()};
    std::optional<Gradient> apart;  // what dx is added to must not be overwritten
    if (how != Store::set) apart.emplace(dx.device(), x.shape(), Use::gradient);
    const View<T, D> da = apart ? apart->view() : dx;
    std::optional<Tensor<double, D>> sums;
    if (bias_.bias().accumulates())
      weight_.input_gradient(da, dy, sums.emplace(bias_.sums()).view(), x, prologue);
    else
      weight_.input_gradient(da, dy, Store::set);
    weight_.add_weight_gradient(x, dy, &prologue);
    bias_.backward(dx, x, da, how);
    if (sums) bias_.add_gradient(*sums);
  }

  template <class V>
  void inside(V visit) {
    visit("bias", bias_.bias());
    visit("weight", weight_.parameter());
  }

 private:
  BiasActivation<T, D> bias_;
  ConvWeight<T, D> weight_;
};

}  // namespace retrace::inline RETRACE_ISA
