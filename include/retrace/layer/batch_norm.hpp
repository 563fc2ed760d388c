// Batch normalisation, with the activation that follows it.
#pragma once

#include <string>

#include "retrace/layer/channel_normalisation.hpp"
#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = act(γ·z + β) with z = (x − μ)/σ, per channel (Ioffe & Szegedy 2015, Algorithm 1).
///
/// Shapes    x, y, dy, dx [N,H,W,C]; γ, β [C]. A training batch needs N·H·W > 1.
/// Inverse   none: γ may be 0. See InvertibleBatchNorm.
/// Backward  g = dy·act′;  dβ += Σ g,  dγ += Σ g·z,  dx = γ/σ·(g − mean g − z·mean(g·z)).
/// Stores    x, until backward; works in place where nothing is kept.
template <class T, Device D>
class BatchNorm {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  BatchNorm(D& device, Index channels, const NormOptions& options = {})
      : norm_(device, channels, options, {false, 0}) {}

  void forward(State& x, Run run) {
    const auto folded = norm_.prepare("BatchNorm::forward", x.view(), run);
    if (!run.keep) {
      kept_.abandon();
      return normalise_activate(x.view(), x.view(), folded.view(), norm_.activation());
    }
    State y(x.device(), x.shape());
    normalise_activate(y.view(), x.view(), folded.view(), norm_.activation());
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "BatchNorm::backward";
    require_same_shape(where, "x", kept_.peek(where).shape(), "dy", dy.shape());
    const auto folded = norm_.recorded(where);
    y = kept_.give_back(where);
    auto sums = norm_.sums();
    if (norm_.needs_sums())
      normalise_activate_sums(sums.view(), y.view(), dy.view(), folded.view(), norm_.activation());
    normalise_activate_backward(dy.view(), y.view(), dy.view(),
                                norm_.reduce(sums, y.shape().pixels()), folded.view(),
                                norm_.activation(), Store::set);
  }

  void abandon() { kept_.abandon(); }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    norm_.collect(prefix, list);
  }
  static constexpr bool reads_output() { return false; }

  Parameter<T, D>& gamma() { return norm_.gamma(); }
  Parameter<T, D>& beta() { return norm_.beta(); }
  ChannelNormalisation<T, D>& normalisation() { return norm_; }

 private:
  ChannelNormalisation<T, D> norm_;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
