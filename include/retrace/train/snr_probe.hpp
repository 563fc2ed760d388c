// The signal-to-noise ratio of every reconstructed input, against all of the stored truth.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/layer/input_watch.hpp"
#include "retrace/math/signal_noise.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA {

/// What the last backward pass made of a layer's input.
struct LayerNoise {
  std::string layer;
  math::SignalNoise sums;
};

/// Stores every input in forward and compares it in backward with what is restored: a measuring
/// instrument, which needs the memory of stored training while it is attached.
template <class T, Device D>
class SnrProbe final : public InputWatch<typename Chain<T, D>::Gradient> {
 public:
  using State = typename Chain<T, D>::Gradient;

  /// Measures the named layers, "level1.block0.f.norm0", or all that compute their input again.
  /// @throws StateError if a named layer does not exist or keeps its input, or if all keep theirs.
  explicit SnrProbe(Chain<T, D>& net, std::vector<std::string> layers = {}) {
    watched_.emplace(net, this);
    choose(std::move(layers));
  }
  SnrProbe(const SnrProbe&) = delete;
  SnrProbe& operator=(const SnrProbe&) = delete;

  /// Of the last pass, in the order in which inputs were restored: from the last layer to the
  /// first.
  const std::vector<LayerNoise>& results() const { return results_; }
  /// Decibels of one layer.
  /// @throws StateError if it was not measured.
  double decibels(const std::string& layer) const {
    const auto found = std::find_if(results_.begin(), results_.end(),
                                    [&](const LayerNoise& each) { return each.layer == layer; });
    if (found == results_.end())
      throw StateError("SnrProbe: the input of layer '" + layer + "' was not restored yet");
    return found->sums.decibels();
  }

  void attached(const WatchedLayer& layer, bool reconstructs) override {
    (reconstructs ? chosen_ : keeping_).push_back(layer.name);
  }
  void given(const WatchedLayer& layer, const State& x) override {
    if (std::find(chosen_.begin(), chosen_.end(), layer.name) == chosen_.end()) return;
    std::erase_if(results_, [&](const LayerNoise& each) { return each.layer == layer.name; });
    truths_.insert_or_assign(layer.name, clone(x, Use::stash));
  }
  Judgement restored(const WatchedLayer& layer, const State& x) override {
    const auto truth = truths_.extract(layer.name);
    if (truth.empty()) return {};
    results_.push_back({layer.name, signal_noise(truth.mapped().view(), x.view())});
    return {results_.back().sums.decibels()};
  }
  void abandoned() override { truths_.clear(); }

 private:
  void choose(std::vector<std::string> layers) {
    const auto among = [](const std::vector<std::string>& names, const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (layers.empty() && chosen_.empty())
      throw StateError("SnrProbe: every layer keeps its input, so there is nothing to measure");
    for (const std::string& layer : layers)
      if (!among(chosen_, layer))
        throw StateError("SnrProbe: " +
                         (among(keeping_, layer)
                              ? "layer '" + layer + "' keeps its input and reconstructs none"
                              : "there is no layer '" + layer + "'"));
    if (!layers.empty()) chosen_ = std::move(layers);
  }

  std::vector<std::string> chosen_, keeping_;
  std::map<std::string, State> truths_;
  std::vector<LayerNoise> results_;
  std::optional<typename Chain<T, D>::Watched> watched_;  // last: ends before what the watch uses
};

}  // namespace retrace::inline RETRACE_ISA
