// Batch normalisation, with the activation that follows it, inverted from its output.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/layer/channel_normalisation.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = act(s·z + β) with z = (x − μ)/σ and s = |γ| + ε_i, per channel. Hascoet et al., eq. 27,
/// write |γ + ε_i|, which can vanish; |γ| + ε_i is that of Rota Bulò et al. 2018 and cannot.
///
/// Shapes    x, y, dy, dx [N,H,W,C]; γ, β [C]. A training batch needs N·H·W > 1.
/// Inverse   z = (act⁻¹(y) − β)/s, x = σ·z + μ. An error in y is multiplied by σ/s.
/// Backward  g = dy·act′;  dβ += Σ g,  dγ += sign(γ)·Σ g·z,  dx = s/σ·(g − mean g − z·mean(g·z)),
///           all from y: x is recovered in the pass that sums (Rota Bulò et al. 2018, §3).
/// Stores    nothing but μ and 1/σ; in mode `stored` x, from which backward is that of BatchNorm.
template <class T, Device D>
class InvertibleBatchNorm {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless ε_i and the activation's slope are positive.
  InvertibleBatchNorm(D& device, Index channels, const NormOptions& options = {})
      : norm_(device, channels, checked(options), {true, options.scale_floor}) {}

  Index input_channels() const { return norm_.channels(); }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("InvertibleBatchNorm", "x", x, norm_.channels());
    return x;
  }

  void forward(State& x, Run run) {
    const auto affine = norm_.prepare("InvertibleBatchNorm", x.view(), run);
    kept_.abandon();
    if (!stores_ || !run.keep)
      return normalise_activate(x.view(), x.view(), affine.view(), norm_.activation());
    State y(x.device(), x.shape());
    normalise_activate(y.view(), x.view(), affine.view(), norm_.activation());
    kept_.take_over(std::exchange(x, std::move(y)), run);
  }

  void inverse(State& y, Run run) {
    const auto affine = norm_.prepare("InvertibleBatchNorm", y.view(), replay(run));
    invert_normalise_activate(y.view(), affine.view(), norm_.activation());
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "InvertibleBatchNorm";
    const bool stored = kept_.holds();
    if (stored) y = kept_.give_back(where);
    require_same_shape(where, "y", y.shape(), "dy", dy.shape());
    const auto affine = norm_.recorded(where);
    auto sums = norm_.sums();
    if (!stored)
      invert_normalise_activate_sums(sums.view(), y.view(), dy.view(), affine.view(),
                                     norm_.activation());
    else if (norm_.needs_sums())
      normalise_activate_sums(sums.view(), y.view(), dy.view(), affine.view(), norm_.activation());
    normalise_activate_backward(dy.view(), y.view(), dy.view(),
                                norm_.reduce(sums, y.shape().pixels()), affine.view(),
                                stored ? norm_.activation() : identity, Store::set);
  }

  bool reads_output() const { return !stores_; }
  void on_mode(Mode mode) { stores_ = mode == Mode::stored; }
  void on_abandon() { kept_.abandon(); }
  template <class V>
  void inside(V visit) {
    visit("", norm_);
  }

  Parameter<T, D>& gamma() { return norm_.gamma(); }
  Parameter<T, D>& beta() { return norm_.beta(); }
  ChannelNormalisation<T, D>& normalisation() { return norm_; }

 private:
  static const NormOptions& checked(const NormOptions& options) {
    if (!(options.scale_floor > 0))
      throw std::invalid_argument("InvertibleBatchNorm: scale_floor must be positive, got " +
                                  std::to_string(options.scale_floor));
    if (!options.activation.invertible())
      throw std::invalid_argument("InvertibleBatchNorm: an activation of slope " +
                                  std::to_string(options.activation.slope) + " has no inverse");
    return options;
  }

  ChannelNormalisation<T, D> norm_;
  Kept<State> kept_;
  bool stores_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
