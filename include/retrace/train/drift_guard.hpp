// Estimates in every step how far gradients are off because inputs were reconstructed, and skips
// the step if that is too far.
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

/// A reconstructed input is so far from what it was that its gradients must not be used.
struct DriftError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class DriftPolicy {
  anchor,  ///< the step is void, and the layer keeps its input from the next one on
  refuse,  ///< throws DriftError in the backward pass
};

/// When the guard warns and acts, and by how many values it judges.
struct DriftOptions {
  DriftPolicy policy = DriftPolicy::anchor;
  double warn_below = 80;     ///< decibels, at which math::gradient_error() is 5 %
  double discard_below = 68;  ///< decibels, at which it is 10 %
  Index sample = 256;  ///< values of each input that are kept and compared, at most 4 KiB of them
};

/// A reconstructed input with less signal to noise than is good.
struct Drift {
  std::string layer;
  double decibels;
  bool anchored;  ///< the layer keeps its input from the next pass on
};

/// What the backward passes since the last verdict have shown.
struct DriftVerdict {
  bool discard = false;  ///< an input was below discard_below or not finite: gradients are wrong
  double lowest = std::numeric_limits<double>::infinity();  ///< decibels, over all finite inputs
  std::string layer;                                        ///< that has it
  std::string nonfinite;  ///< the layer whose input came back as NaN or infinity first, if any did

  /// The estimated relative error of all gradients as one vector; infinite if some are not finite.
  double gradient_error() const {
    return nonfinite.empty() ? math::gradient_error(lowest)
                             : std::numeric_limits<double>::infinity();
  }
};

/// Keeps scattered values of the input of every layer that reconstructs it, in forward, and
/// compares them in backward. The first layer of a chain, on the way back, whose input is below
/// discard_below becomes an anchor: memory rises by that input, which peak_memory() predicts from
/// then on, and noise begins anew below it. Each anchor is thus as far from the one above it as the
/// limit allows.
///
/// A NaN or an infinity is no drift: the step is void, but no layer becomes an anchor for it.
template <class T, Device D>
class DriftGuard final : public InputWatch<typename Chain<T, D>::Gradient> {
 public:
  using State = typename Chain<T, D>::Gradient;
  using Listener = std::function<void(const Drift&)>;

  /// @param listener  hears of a layer when it is first below warn_below, and of every anchor.
  /// @throws std::invalid_argument for thresholds or a sample that make no sense.
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

  /// Ask after every step: it starts anew.
  DriftVerdict verdict() {
    bad_chains_.clear();
    return std::exchange(verdict_, {});
  }
  /// The layers that keep their input because their reconstruction was not good enough.
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
  /// @throws std::domain_error in policy refuse
  void note_nonfinite(const WatchedLayer& layer) {
    if (options_.policy == DriftPolicy::refuse)
      throw std::domain_error(layer.name + ": its reconstructed input holds a NaN or an infinity");
    if (verdict_.nonfinite.empty()) verdict_.nonfinite = layer.name;
    verdict_.discard = true;
  }
  /// Whether the layer shall be an anchor.
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
    // Below the first bad input of a chain all are, until it is an anchor. What is not finite makes
    // others bad that would have been good.
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
  std::optional<typename Chain<T, D>::Watched> watched_;  // last: ends before what the watch uses
};

}  // namespace retrace::inline RETRACE_ISA
