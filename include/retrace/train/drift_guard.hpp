// Estimates in every step the gradient error that reconstructed inputs cause, and skips the step if
// the error is too large.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/input_watch.hpp"
#include "retrace/math/signal_noise.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// Thrown if a reconstructed input is so inaccurate that its gradients must not be used.
struct DriftError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class DriftPolicy {
  anchor,  ///< skips the step; the layer stores its input from the next step on
  refuse,  ///< throws DriftError in the backward pass
};

/// The thresholds of the guard and the size of its samples.
struct DriftOptions {
  DriftPolicy policy = DriftPolicy::anchor;
  double warn_below = 80;     ///< decibels; math::gradient_error() is 5 % there
  double discard_below = 68;  ///< decibels; math::gradient_error() is 10 % there
  Index sample = 256;         ///< elements compared per input, at most 4 KiB
};

/// A reconstructed input whose signal-to-noise ratio is too low.
struct Drift {
  std::string layer;
  double decibels;
  bool anchored;  ///< the layer stores its input from the next pass on
};

/// The result of the backward passes since the last verdict.
struct DriftVerdict {
  bool discard = false;  ///< an input was below discard_below or not finite: gradients are wrong
  double lowest = std::numeric_limits<double>::infinity();  ///< decibels, over all finite inputs
  std::string layer;                                        ///< the layer with the lowest ratio
  std::string nonfinite;  ///< the first layer whose reconstructed input has a NaN or infinity

  /// The estimated relative error of all gradients, taken as one vector. Infinite if an input is
  /// not finite.
  double gradient_error() const {
    return nonfinite.empty() ? math::gradient_error(lowest)
                             : std::numeric_limits<double>::infinity();
  }
};

/// Samples elements of the input of every reconstructing layer in forward, and compares them with
/// the reconstruction in backward. If inputs are below discard_below, the first such layer of the
/// backward pass in each chain becomes an anchor: it stores its input from then on. Memory rises by
/// that input, and peak_memory() includes it. Noise accumulates anew below an anchor, so each
/// anchor is as far from the previous one as the limit allows.
///
/// If an input has a NaN or an infinity, the step is skipped, but no layer becomes an anchor.
template <class T, Device D>
class DriftGuard final : public InputWatch<typename Chain<T, D>::Gradient> {
 public:
  using State = typename Chain<T, D>::Gradient;
  using Listener = std::function<void(const Drift&)>;

  /// @param listener  called when a layer is first below warn_below, and for every anchor
  /// @throws std::invalid_argument if discard_below is above warn_below or the sample size is out
  ///         of range.
  explicit DriftGuard(Chain<T, D>& net, const DriftOptions& options = {}, Listener listener = {})
      : options_(options), listener_(std::move(listener)) {
    if (!(options.discard_below <= options.warn_below))
      throw std::invalid_argument("DriftGuard: a step cannot be discarded below " +
                                  std::to_string(options.discard_below) +
                                  " dB and warned of below " + std::to_string(options.warn_below));
    const Index most = 4096 / static_cast<Index>(sizeof(typename State::Element));
    if (options.sample < 1 || options.sample > most)
      throw std::invalid_argument("DriftGuard: the sample must have 1 to " + std::to_string(most) +
                                  " values, got " + std::to_string(options.sample));
    watched_.emplace(net, this);
  }
  DriftGuard(const DriftGuard&) = delete;
  DriftGuard& operator=(const DriftGuard&) = delete;

  /// Returns the verdict and resets it. Call this after every step.
  DriftVerdict verdict() {
    bad_chains_.clear();
    return std::exchange(verdict_, {});
  }
  /// The layers that store their input because its reconstruction was not accurate enough.
  const std::vector<std::string>& anchors() const { return anchors_; }

  void attached(const WatchedLayer&, bool) override {}
  void given(const WatchedLayer& layer, const State& x) override {
    Tensor<typename State::Element, D> sample(
        x.device(), per_channel(std::min(options_.sample, x.shape().size())), Use::stash);
    take_sample(sample.view(), x.view());
    samples_.insert_or_assign(layer.name, std::move(sample));
  }
  Judgement restored(const WatchedLayer& layer, const State& x) override {
    const auto found = samples_.extract(layer.name);
    if (found.empty() || x.device().dry()) return {};
    const auto sums = sample_noise(std::as_const(found.mapped()).view(), x.view());
    if (!sums.finite()) note_nonfinite(layer);
    return {sums.decibels(), sums.finite() && judge(layer, sums.decibels())};
  }
  void abandoned() override {
    samples_.clear();
    bad_chains_.clear();
    verdict_ = {};
  }

 private:
  /// @throws std::domain_error if the policy is `refuse`.
  void note_nonfinite(const WatchedLayer& layer) {
    if (options_.policy == DriftPolicy::refuse)
      throw std::domain_error(layer.name + ": its reconstructed input holds a NaN or an infinity");
    if (verdict_.nonfinite.empty()) verdict_.nonfinite = layer.name;
    verdict_.discard = true;
  }
  /// Returns whether the layer becomes an anchor.
  /// @throws DriftError if the policy is `refuse` and the input is below discard_below.
  bool judge(const WatchedLayer& layer, double decibels) {
    if (decibels < verdict_.lowest) {
      verdict_.lowest = decibels;
      verdict_.layer = layer.name;
    }
    const bool bad = decibels < options_.discard_below;
    verdict_.discard = verdict_.discard || bad;
    if (bad && options_.policy == DriftPolicy::refuse)
      throw DriftError(layer.name + ": its reconstructed input has a signal-to-noise ratio of " +
                       std::to_string(decibels) + " dB, less than " +
                       std::to_string(options_.discard_below) + ": the gradients may be off by " +
                       std::to_string(100 * math::gradient_error(decibels)) +
                       " %. Anchor the layer, or store more");
    // All inputs below the first bad one of a chain are bad too, until that one is an anchor. An
    // input that is not finite spoils inputs that would have been good.
    if (bad_chains_.contains(layer.chain) || !verdict_.nonfinite.empty()) return false;
    if (bad) {
      bad_chains_.insert(layer.chain);
      anchors_.push_back(layer.name);
    }
    const bool warns = decibels < options_.warn_below && warned_.insert(layer.name).second;
    if (listener_ && (bad || warns)) listener_({layer.name, decibels, bad});
    return bad;
  }

  DriftOptions options_;
  Listener listener_;
  std::map<std::string, Tensor<typename State::Element, D>> samples_;
  std::set<std::string> bad_chains_, warned_;
  std::vector<std::string> anchors_;
  DriftVerdict verdict_;
  std::optional<typename Chain<T, D>::Watched> watched_;  // last, so destroyed first
};

}  // namespace retrace::inline RETRACE_ISA
