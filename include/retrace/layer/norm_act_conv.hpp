// Batch normalisation, activation and convolution as one stage.
#pragma once

#include <optional>
#include <utility>

#include "retrace/layer/channel_normalisation.hpp"
#include "retrace/layer/conv_weight.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = act(γ·z + β) ∗ w with z = (x − μ)/σ: the pre-activation unit of He et al. 2016.
///
/// Shapes    x [N,H,W,C], w [k,k,C,K], y [N,⌈H/s⌉,⌈W/s⌉,K] for a stride of s; γ, β [C].
/// Inverse   none.
/// Backward  with a = act(γ·z + β), recomputed as it is read:  dw += aᵀ ∗ dy,
///           da = dy ∗ wᵀ,  then as BatchNorm with dy = da.
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class NormActConv {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// The activation is that of `norm`, ReLU if it names none.
  NormActConv(D& device, Index in, Index out, Random& random, ConvOptions options = {},
              const NormOptions& norm = {.activation = relu})
      : norm_(device, in, norm, {false, 0}), weight_(device, in, out, random, options) {}
  NormActConv(ChannelNormalisation<T, D> norm, ConvWeight<T, D> weight)
      : norm_(std::move(norm)), weight_(std::move(weight)) {}

  Index input_channels() const { return weight_.in(); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const { return weight_.output_shape("NormActConv", x); }

  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    apply(y, x, run, how, nullptr, nullptr);
  }
  void apply(View<T, D> y, View<const T, D> x, Run run, Store how, const Moments<D>* of_x,
             Moments<D>* of_y) {
    require_same_shape("NormActConv", "y", y.shape(), "the convolution of x",
                       output_shape(x.shape()));
    const auto affine = norm_.prepare("NormActConv", x, run, of_x);
    const auto prologue = affine.with_activation();
    weight_.apply(y, x, how, &prologue, of_y);
  }

  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    const auto affine = norm_.recorded("NormActConv");
    const auto prologue = affine.with_activation();
    std::optional<Gradient> apart;  // what dx is added to must not be overwritten
    if (how != Store::set) apart.emplace(dx.device(), x.shape(), Use::gradient);
    const View<T, D> da = apart ? apart->view() : dx;
    auto sums = norm_.sums();
    if (norm_.needs_sums())
      weight_.input_gradient(da, dy, sums.view(), x, prologue);
    else
      weight_.input_gradient(da, dy, Store::set);
    weight_.add_weight_gradient(x, dy, &prologue);
    normalise_activate_backward(dx, x, da, norm_.reduce(sums, x.shape().pixels()), affine.view(),
                                norm_.activation(), how);
  }
  void take_off_means(View<T, D> dx, View<const T, D> x) { norm_.take_off_means(dx, x); }

  template <class V>
  void inside(V visit) {
    visit("norm", norm_);
    visit("weight", weight_.parameter());
  }

  Parameter<T, D>& weight() { return weight_.parameter(); }
  Parameter<T, D>& gamma() { return norm_.gamma(); }
  Parameter<T, D>& beta() { return norm_.beta(); }

 private:
  ChannelNormalisation<T, D> norm_;
  ConvWeight<T, D> weight_;
};

}  // namespace retrace::inline RETRACE_ISA
