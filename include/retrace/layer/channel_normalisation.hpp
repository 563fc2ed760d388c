// The statistics, scale and shift of a batch normalisation: what its layers share.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/core/channel_norm.hpp"
#include "retrace/core/run.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/math/normalisation.hpp"

namespace retrace::inline RETRACE_ISA {

/// Of a normalisation and the activation behind it.
struct NormOptions {
  double epsilon = 1e-5;  ///< added to the variance
  double momentum = 0.1;  ///< the share of a new batch in the running averages
  Activation activation = identity;
  double scale_floor = 0.1;  ///< ε_i, of an invertible normalisation alone: s = |γ| + ε_i
};

/// z = (x − μ)/σ and u = s·z + β per channel, with μ and σ² = variance + ε those of the batch or
/// the running averages (Ioffe & Szegedy 2015, Algorithm 1).
///
/// Stores    γ, β and their gradients, running mean and variance, and μ and 1/σ of the last
///           forward: 2·C values for a replay, whatever N, H and W are.
///
/// Backward needs Σ g and Σ g·z of the batch. Of a batch that comes in chunks it takes two passes:
/// gather() before the one that sums, settle() before those that use the sums, release() at last.
///
/// Once trained it may be folded: what is left of it then is one scale and one shift.
template <class T, Device D>
class ChannelNormalisation {
 public:
  /// `rule` says how γ becomes s; γ starts so that s is 1, where the rule allows it.
  ChannelNormalisation(D& device, Index channels, const NormOptions& options, math::ScaleRule rule)
      : gamma_(device, per_channel(channels), false),
        beta_(device, per_channel(channels), false),
        mean_(device, per_channel(channels), Use::stash),
        inverse_deviation_(device, per_channel(channels), Use::stash),
        running_mean_(device, per_channel(channels), Use::parameter),
        running_variance_(device, per_channel(channels), Use::parameter),
        options_(options),
        rule_(rule) {
    fill(gamma_.value.view(), static_cast<T>(rule.positive ? 1 - rule.floor : 1));
    fill(running_mean_.view(), T(0));
    fill(running_variance_.view(), T(1));
    fill(mean_.view(), T(0));
    fill(inverse_deviation_.view(), T(1));
  }

  /// Of the statistics and the parameters.
  struct ScaleAndShift {
    Tensor<T, D> scale, shift;

    ScaleAndShift(ChannelNormalisation& norm, Use use)
        : scale(norm.mean_.device(), norm.mean_.shape(), use),
          shift(norm.mean_.device(), norm.mean_.shape(), use) {
      fold_normalisation(scale.view(), shift.view(), norm.mean_.view(),
                         norm.inverse_deviation_.view(), norm.gamma_.value.view(),
                         norm.beta_.value.view(), norm.rule_);
    }
  };

  /// The statistics in force with scale and shift: its own, or those of a folded normalisation.
  class Folded {
   public:
    explicit Folded(ChannelNormalisation& norm) : norm_(norm) {
      if (!norm.folded_) own_.emplace(norm, Use::workspace);
    }
    ChannelNorm<T, D> view() const {
      const ScaleAndShift& folded = own_ ? *own_ : *norm_.folded_;
      return {norm_.mean_.view(), norm_.inverse_deviation_.view(), folded.scale.view(),
              folded.shift.view()};
    }
    NormActivation<T, D> with_activation() const { return {view(), norm_.options_.activation}; }

   private:
    const ChannelNormalisation& norm_;
    std::optional<ScaleAndShift> own_;
  };

  /// From here on it normalises by the running averages as they are now, which it lets go with its
  /// parameters: it cannot train, and has nothing to name.
  void fold() {
    if (folded_) return;
    recall();
    folded_.emplace(*this, Use::parameter);
    for (Tensor<T, D>* tensor : {&mean_, &inverse_deviation_})
      *tensor = std::move(*tensor).as(Use::parameter);
    for (Tensor<T, D>* tensor : {&gamma_.value, &gamma_.gradient, &beta_.value, &beta_.gradient,
                                 &running_mean_, &running_variance_})
      *tensor = Tensor<T, D>::none(mean_.device());
  }

  /// Makes the statistics of `run` those in force: measures x, recalls the running averages, or
  /// leaves the recorded ones.
  /// @throws ShapeError for another number of channels, or a training batch of one pixel.
  /// @throws StateError if `run` wants recorded statistics and no batch was measured last, or any
  ///         but the running ones and it has been folded.
  Folded prepare(const char* where, View<const T, D> x, Run run) {
    require_channels(where, "x", x.shape(), channels());
    if (folded_) {
      if (run.statistics == Statistics::running) return Folded(*this);
      throw StateError(std::string(where) +
                       ": the network has been folded for inference, so it "
                       "cannot train");
    }
    switch (run.statistics) {
      case Statistics::batch:
        measure(where, x, run.update_running);
        break;
      case Statistics::recorded:
        require_batch(where);
        break;
      case Statistics::running:
        recall();
    }
    return Folded(*this);
  }

  /// Mean and biased variance of a batch.
  struct Moments {
    Tensor<double, D> mean, variance;
    explicit Moments(const Tensor<T, D>& per_channel)
        : mean(per_channel.device(), per_channel.shape(), Use::workspace),
          variance(per_channel.device(), per_channel.shape(), Use::workspace) {}
  };

  /// Where who makes the next input may put its moments, so that prepare() need not measure it
  /// again. Null where that would not: `run` takes its statistics from elsewhere.
  Moments* expect(Shape input, Run run) {
    expected_.reset();
    if (run.statistics != Statistics::batch || input.pixels() < 2) return nullptr;
    return &expected_.emplace(mean_);
  }

  /// The statistics in force, for backward.
  /// @throws StateError unless the last forward normalised by its batch.
  Folded recorded(const char* where) {
    require_batch(where);
    return Folded(*this);
  }

  /// For (Σ g, Σ g·z) as the operations fill it.
  Tensor<double, D> sums() const { return {mean_.device(), {1, 1, 2, channels()}, Use::workspace}; }

  /// Whether backward has to sum what it is given: the sums of the batch are not known.
  bool needs_sums() const { return phase_ != Phase::settled; }

  /// Takes the sums over the `pixels` that backward was given, adds to the gradients of γ and β,
  /// and gives what is to be taken off g. Of a chunk nothing is until the batch has been summed: dx
  /// is s/σ·g then, and take_off_means() makes it right.
  GradientSums<D> reduce(Tensor<double, D>& sums, Index pixels) {
    switch (phase_) {
      case Phase::whole:
        add_gradient(sums);
        gamma_.complete();
        beta_.complete();
        return {sums.view(), pixels};
      case Phase::gathering:
        add(gathered_->view(), sums.view());
        gathered_pixels_ += pixels;
        fill(sums.view(), 0);
        return {sums.view(), 1};
      case Phase::settled:
        break;
    }
    return {gathered_->view(), gathered_pixels_};
  }

  /// From here on backward sums, chunk by chunk.
  void gather() {
    gathered_.emplace(sums());
    fill(gathered_->view(), 0);
    gathered_pixels_ = 0;
    phase_ = Phase::gathering;
  }
  /// All chunks have been summed: the gradients of γ and β are, and backward uses the sums.
  void settle() {
    add_gradient(*gathered_);
    phase_ = Phase::settled;
  }
  /// dx −= s/σ·(mean g + z·mean(g·z)), for a dx that was made while the sums were gathered.
  void take_off_means(View<T, D> dx, View<const T, D> x) {
    take_off_gradient_means(dx, x, GradientSums<D>{gathered_->view(), gathered_pixels_},
                            Folded(*this).view());
  }
  void release() {
    gathered_.reset();
    phase_ = Phase::whole;
  }

  void abandon() { expected_.reset(); }
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    if (folded_) return;
    list.add(prefix, *this);
    list.add(joined(prefix, "gamma"), gamma_);
    list.add(joined(prefix, "beta"), beta_);
    list.add(joined(prefix, "running_mean"), running_mean_);
    list.add(joined(prefix, "running_variance"), running_variance_);
  }

  Index channels() const { return mean_.shape().c; }
  Activation activation() const { return options_.activation; }
  Parameter<T, D>& gamma() { return gamma_; }
  Parameter<T, D>& beta() { return beta_; }

 private:
  enum class Phase { whole, gathering, settled };

  void add_gradient(const Tensor<double, D>& sums) {
    add_normalisation_gradient(gamma_.accumulator(), beta_.accumulator(), gamma_.value.view(),
                               sums.view(), rule_);
  }

  void recall() {
    recall_statistics(mean_.view(), inverse_deviation_.view(), running_mean_.view(),
                      running_variance_.view(), options_.epsilon);
    from_batch_ = false;
  }

  void measure(const char* where, View<const T, D> x, bool update_running) {
    const Index pixels = x.shape().pixels();
    if (pixels == 1)
      throw ShapeError(std::string(where) + ": a training batch of one pixel (" +
                       to_string(x.shape()) + ") has no variance; use a larger batch");
    from_batch_ = true;
    if (pixels == 0) return;
    std::optional<Moments> moments = std::exchange(expected_, std::nullopt);
    if (!moments) {
      moments.emplace(mean_);
      channel_moments(x, moments->mean.view(), moments->variance.view());
    }
    record_statistics(mean_.view(), inverse_deviation_.view(), running_mean_.view(),
                      running_variance_.view(), moments->mean.view(), moments->variance.view(),
                      static_cast<double>(pixels), options_.epsilon, options_.momentum,
                      update_running);
  }

  void require_batch(const char* where) const {
    if (!from_batch_)
      throw StateError(std::string(where) +
                       ": the last forward pass did not normalise by its "
                       "batch; run forward with `training` first");
  }

  Parameter<T, D> gamma_, beta_;
  Tensor<T, D> mean_, inverse_deviation_, running_mean_, running_variance_;
  NormOptions options_;
  math::ScaleRule rule_;
  std::optional<ScaleAndShift> folded_;
  std::optional<Moments> expected_;
  bool from_batch_ = false;
  Phase phase_ = Phase::whole;
  std::optional<Tensor<double, D>> gathered_;  ///< (Σ g, Σ g·z) of the chunks so far
  Index gathered_pixels_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
