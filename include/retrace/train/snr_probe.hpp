// Measures the signal-to-noise ratio of every reconstructed input against the stored original.
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

/// The noise of a layer's reconstructed input in the last backward pass.
struct LayerNoise {
  std::string layer;
  math::SignalNoise sums;
};

/// Stores every input in forward and compares it with the reconstruction in backward. While a probe
/// is attached, training needs the memory of stored activations.
template <class T, Device D>
class SnrProbe final : public InputWatch<typename Chain<T, D>::Gradient> {
 public:
  using State = typename Chain<T, D>::Gradient;

  /// @param layers  names of layers to measure, such as "level1.block0.f.norm0"; if empty, all that
  ///                reconstruct their input
  /// @throws StateError if a named layer does not exist or stores its input, or if no layer
  ///         reconstructs its input.
  explicit SnrProbe(Chain<T, D>& net, std::vector<std::string> layers = {}) {
    watched_.emplace(net, this);
    choose(std::move(layers));
  }
  SnrProbe(const SnrProbe&) = delete;
  SnrProbe& operator=(const SnrProbe&) = delete;

  /// The results of the last pass in the order of reconstruction, from the last layer to the first.
  const std::vector<LayerNoise>& results() const { return results_; }
  /// Returns the decibels of one layer.
  /// @throws StateError if the layer was not measured.
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
  std::optional<typename Chain<T, D>::Watched> watched_;  // last, so destroyed first
};

}  // namespace retrace::inline RETRACE_ISA
