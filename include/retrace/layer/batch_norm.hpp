// Batch normalisation, with the activation that follows it.
#pragma once

#include "retrace/layer/channel_normalisation.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = act(γ·z + β) with z = (x − μ)/σ, per channel (Ioffe & Szegedy 2015, Algorithm 1).
///
/// Shapes    x, y, dy, dx [N,H,W,C]; γ, β [C]. A training batch needs N·H·W > 1.
/// Inverse   none: γ may be 0. See InvertibleBatchNorm.
/// Backward  g = dy·act′;  dβ += Σ g,  dγ += Σ g·z,  dx = γ/σ·(g − mean g − z·mean(g·z)).
/// Stores    nothing; the chain stores x.
template <class T, Device D>
class BatchNorm {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;

  BatchNorm(D& device, Index channels, const NormOptions& options = {})
      : norm_(device, channels, options, {false, 0}) {}

  Index input_channels() const { return norm_.channels(); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("BatchNorm", "x", x, norm_.channels());
    return x;
  }

  void apply(View<T, D> y, View<const T, D> x, Run run, Store how) {
    apply(y, x, run, how, nullptr, nullptr);
  }
  void apply(View<T, D> y, View<const T, D> x, Run run, Store how, const Moments<D>* of_x,
             Moments<D>*) {
    require_same_shape("BatchNorm", "y", y.shape(), "x", x.shape());
    const auto affine = norm_.prepare("BatchNorm", x, run, of_x);
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      normalise_activate(value, x, affine.view(), norm_.activation());
    });
  }

  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    const auto affine = norm_.recorded("BatchNorm");
    auto sums = norm_.sums();
    if (norm_.needs_sums())
      normalise_activate_sums(sums.view(), x, dy, affine.view(), norm_.activation());
    normalise_activate_backward(dx, x, dy, norm_.reduce(sums, x.shape().pixels()), affine.view(),
                                norm_.activation(), how);
  }
  void take_off_means(View<T, D> dx, View<const T, D> x) { norm_.take_off_means(dx, x); }

  template <class V>
  void inside(V visit) {
    visit("", norm_);
  }

  Parameter<T, D>& gamma() { return norm_.gamma(); }
  Parameter<T, D>& beta() { return norm_.beta(); }
  ChannelNormalisation<T, D>& normalisation() { return norm_; }

 private:
  ChannelNormalisation<T, D> norm_;
};

}  // namespace retrace::inline RETRACE_ISA
