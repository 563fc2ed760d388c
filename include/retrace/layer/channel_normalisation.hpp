// The statistics, scale and shift of a batch normalisation: what its layers share.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/channel_norm.hpp"
#include "retrace/core/moments.hpp"
#include "retrace/core/run.hpp"
#include "retrace/layer/batch_statistics.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/math/normalisation.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of a normalisation and of the activation that follows it.
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
/// Once trained it may be folded: what is left of it then is one scale and one shift.
template <class T, Device D>
class ChannelNormalisation final : public BatchStatistics {
 public:
  /// `rule` computes s from γ; γ starts so that s is 1, if the rule allows it.
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

  /// Scale and shift of the statistics and the parameters.
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
  class Affine {
   public:
    explicit Affine(ChannelNormalisation& norm) : norm_(norm) {
      if (!norm.folded_) own_.emplace(norm, Use::workspace);
    }
    ChannelNorm<T, D> view() const {
      const ScaleAndShift& affine = own_ ? *own_ : *norm_.folded_;
      return {norm_.mean_.view(), norm_.inverse_deviation_.view(), affine.scale.view(),
              affine.shift.view()};
    }
    NormActivation<T, D> with_activation() const { return {view(), norm_.options_.activation}; }

   private:
    const ChannelNormalisation& norm_;
    std::optional<ScaleAndShift> own_;
  };

  /// Makes the statistics of `run` those in force: measures x or takes the moments that are given,
  /// recalls the running averages, or leaves the recorded ones.
  /// @throws ShapeError for another number of channels, or a training batch of one pixel.
  /// @throws StateError if `run` needs recorded statistics and there are none, if it needs those of
  ///         a second batch in one pass, or any but the running ones after fold().
  Affine prepare(const char* where, View<const T, D> x, Run run,
                 const Moments<D>* moments = nullptr) {
    require_channels(where, "x", x.shape(), channels());
    if (held_ || run.statistics == Statistics::running) {
      if (!folded_) recall();
    } else if (folded_) {
      throw StateError(std::string(where) +
                       ": the network has been folded for inference and cannot train");
    } else if (run.statistics == Statistics::batch) {
      measure(where, x, run, moments);
    } else {
      require(where, of_batch(), "the statistics of a batch");
    }
    return Affine(*this);
  }

  /// The statistics in force, for backward.
  /// @throws StateError unless a forward pass has set some.
  Affine recorded(const char* where) {
    require(where, recorded_ != Recorded::nothing, "statistics");
    return Affine(*this);
  }

  /// Returns a tensor for (Σ g, Σ g·z) as the operations fill it.
  Tensor<double, D> sums() const { return {mean_.device(), {1, 1, 2, channels()}, Use::workspace}; }

  /// Whether backward must sum what it is given: the sums of the batch are not known.
  bool needs_sums() const { return phase_ != Phase::settled; }

  /// Takes the sums over the `pixels` that backward was given, adds to the gradients of γ and β,
  /// and returns what is to be subtracted from g: nothing under running averages, which do not
  /// depend on x, and nothing of a chunk until the batch has been summed: dx is s/σ·g then, and
  /// take_off_means() makes it right.
  GradientSums<D> reduce(Tensor<double, D>& sums, Index pixels) {
    if (phase_ == Phase::settled && of_batch()) return {gathered_->view(), gathered_pixels_};
    if (phase_ == Phase::whole) {
      add_gradient(sums);
      if (of_batch()) return {sums.view(), all_pixels(sums, pixels)};
    } else if (phase_ == Phase::gathering) {
      add(gathered_->view(), sums.view());
      gathered_pixels_ += pixels;
    }
    fill(sums.view(), 0);
    return {sums.view(), 1};
  }

  void gather() override {
    gathered_.emplace(sums());
    fill(gathered_->view(), 0);
    gathered_pixels_ = 0;
    phase_ = Phase::gathering;
  }
  void settle() override {
    add_gradient(*gathered_);
    if (of_batch()) gathered_pixels_ = all_pixels(*gathered_, gathered_pixels_);
    phase_ = Phase::settled;
  }
  void release() noexcept override {
    gathered_.reset();
    phase_ = Phase::whole;
  }
  /// dx −= s/σ·(mean g + z·mean(g·z)), for a dx that was made while the sums were gathered.
  void take_off_means(View<T, D> dx, View<const T, D> x) {
    if (of_batch())
      take_off_gradient_means(dx, x, GradientSums<D>{gathered_->view(), gathered_pixels_},
                              Affine(*this).view());
  }

  void exchange_with(StatisticsExchange* exchange) override { exchange_ = exchange; }
  void hold(bool held) override { held_ = held; }
  bool held() const override { return held_; }

  void fold() override {
    if (folded_) return;
    recall();
    folded_.emplace(*this, Use::parameter);
    for (Tensor<T, D>* tensor : {&mean_, &inverse_deviation_})
      *tensor = std::move(*tensor).as(Use::parameter);
    for (Tensor<T, D>* tensor : {&gamma_.value, &gamma_.gradient, &beta_.value, &beta_.gradient,
                                 &running_mean_, &running_variance_})
      *tensor = Tensor<T, D>::none(mean_.device());
  }

  template <class V>
  void inside(V visit) {
    if (folded_) return;
    visit("gamma", gamma_);
    visit("beta", beta_);
    visit("running_mean", running_mean_);
    visit("running_variance", running_variance_);
  }
  Shape output_shape(Shape x) const {
    require_channels("normalisation", "x", x, channels());
    return x;
  }

  Index channels() const { return mean_.shape().c; }
  Activation activation() const { return options_.activation; }
  Parameter<T, D>& gamma() { return gamma_; }
  Parameter<T, D>& beta() { return beta_; }
  void on_abandon() { release(); }

 private:
  enum class Phase { whole, gathering, settled };
  enum class Recorded { nothing, running, batch };

  bool of_batch() const { return recorded_ == Recorded::batch; }

  void add_gradient(const Tensor<double, D>& sums) {
    Parameter<T, D>::accumulate(gamma_, beta_, [&](View<T, D> dgamma, View<T, D> dbeta) {
      add_normalisation_gradient(dgamma, dbeta, gamma_.value.view(), sums.view(), rule_);
    });
  }

  void recall() {
    recall_statistics(mean_.view(), inverse_deviation_.view(), running_mean_.view(),
                      running_variance_.view(), options_.epsilon);
    recorded_ = Recorded::running;
  }

  void measure(const char* where, View<const T, D> x, Run run, const Moments<D>* moments) {
    if (run.pass != 0 && run.pass == pass_)
      throw StateError(std::string(where) +
                       ": a normalisation by batch statistics is used twice in one pass, but "
                       "records the statistics of one input only");
    pass_ = run.pass;
    recorded_ = Recorded::batch;
    Index pixels = x.shape().pixels();
    std::optional<Moments<D>> measured;
    if (exchanges()) pixels = measure_all(x, moments, measured.emplace(mean_.device(), channels()));
    if (pixels == 1 && !(exchange_ && mean_.device().dry()))
      throw ShapeError(std::string(where) + ": a training batch of one pixel (" +
                       to_string(x.shape()) + ") has no variance; use a larger batch");
    if (pixels == 0) return;
    if (measured) {
      moments = &*measured;
    } else if (!moments) {
      moments = &measured.emplace(mean_.device(), channels());
      channel_moments(x, measured->mean.view(), measured->variance.view());
    }
    record_statistics(mean_.view(), inverse_deviation_.view(), running_mean_.view(),
                      running_variance_.view(), moments->mean.view(), moments->variance.view(),
                      static_cast<double>(pixels), options_.epsilon, options_.momentum,
                      run.update_running);
  }

  bool exchanges() const { return exchange_ && !mean_.device().dry(); }

  /// Sets `all` to the moments of the images of all processes. Returns their pixels.
  /// @param own  the moments of x, or null if they have not been measured
  Index measure_all(View<const T, D> x, const Moments<D>* own, Moments<D>& all) {
    const Index pixels = x.shape().pixels();
    std::vector<double> mean(static_cast<std::size_t>(channels())), variance(mean.size());
    if (pixels > 0) {
      if (!own) channel_moments(x, all.mean.view(), all.variance.view());
      const Moments<D>& of_x = own ? *own : all;
      download(std::span(mean), of_x.mean.view());
      download(std::span(variance), of_x.variance.view());
    }
    const Index of_all = exchange_->combine_moments(mean, variance, pixels);
    upload(all.mean.view(), std::span<const double>(mean));
    upload(all.variance.view(), std::span<const double>(variance));
    return of_all;
  }

  /// Adds the sums of the other processes, if there are any. Returns the pixels of all.
  Index all_pixels(Tensor<double, D>& sums, Index pixels) {
    if (!exchanges()) return pixels;
    std::vector<double> values(static_cast<std::size_t>(sums.shape().size()));
    download(std::span(values), std::as_const(sums).view());
    const Index of_all = exchange_->combine_sums(values, pixels);
    upload(sums.view(), std::span<const double>(values));
    return of_all;
  }

  static void require(const char* where, bool recorded, const char* what) {
    if (!recorded)
      throw StateError(std::string(where) + ": the last forward pass has not recorded " + what +
                       "; run forward with `training` first");
  }

  Parameter<T, D> gamma_, beta_;
  Tensor<T, D> mean_, inverse_deviation_, running_mean_, running_variance_;
  NormOptions options_;
  math::ScaleRule rule_;
  std::optional<ScaleAndShift> folded_;
  Recorded recorded_ = Recorded::nothing;
  bool held_ = false;
  StatisticsExchange* exchange_ = nullptr;  ///< with processes that share the batch, or null
  std::uint64_t pass_ = 0;                  ///< whose batch was measured last
  Phase phase_ = Phase::whole;
  std::optional<Tensor<double, D>> gathered_;  ///< (Σ g, Σ g·z) of the chunks so far
  Index gathered_pixels_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
