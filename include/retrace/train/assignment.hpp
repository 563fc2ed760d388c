// Finds the fastest assignment of modes to the layers of a chain within a byte budget.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// The bytes and seconds that a layer takes in one mode in a training step. The bytes do not
/// include what earlier layers keep.
struct LayerOption {
  /// Byte counts, which depend on whether backward has to reconstruct the input.
  struct Bytes {
    std::int64_t kept = 0;      ///< from forward to backward, besides input and output
    std::int64_t forward = 0;   ///< peak in forward, including the input
    std::int64_t backward = 0;  ///< peak in backward, including the output and its gradient
  };

  Mode mode = Mode::stored;
  bool reads_output = true;   ///< backward reads the output, so the next layer must restore it
  Bytes restoring, careless;  ///< if backward has to reconstruct the input, and if not
  double forward_seconds = 0, backward_seconds = 0;

  const Bytes& bytes(bool restore) const { return restore ? restoring : careless; }
};

/// A layer of a chain with all its options. The first option is `stored`.
struct LayerOptions {
  std::int64_t input = 0;   ///< bytes of its input
  std::int64_t output = 0;  ///< bytes of its output
  std::vector<LayerOption> options;
};

/// Layers [first, end) that run together. This is a single layer with the chosen option, or, if
/// `recomputed`, a checkpointed segment: only its input is kept, and its layers run again in
/// backward with stored activations.
struct Segment {
  std::size_t first, end;
  bool recomputed;
  std::size_t option = 0;
};

/// Dynamic programming from the first layer to the last. The remaining layers depend on the earlier
/// decisions only through the bytes kept, the time, and whether the next layer has to restore its
/// input. So the search follows, for each number of layers, only the decisions on the Pareto front
/// of bytes and time. The result is the fastest assignment, except that bytes are rounded up to a
/// 4096th of the budget.
class Assignment {
 public:
  /// @param budget  bytes, in addition to what is always held
  /// @returns std::nullopt if no assignment fits.
  static std::optional<std::vector<Segment>> fastest(const std::vector<LayerOptions>& layers,
                                                     std::int64_t budget) {
    return Assignment(layers, budget).search();
  }

 private:
  /// A decision, linked to the earlier ones.
  struct Decision {
    std::int64_t kept;
    double seconds;
    Segment segment;
    std::shared_ptr<const Decision> before;
  };
  /// The Pareto front of decisions for the first layers, sorted by bytes: none is better than
  /// another in both bytes and time. There is one front if the next layer has to restore its input
  /// and one if it does not.
  using Front = std::vector<std::shared_ptr<const Decision>>;

  Assignment(const std::vector<LayerOptions>& layers, std::int64_t budget)
      : layers_(layers), budget_(budget), grain_(std::max<std::int64_t>(budget / 4096, 1)) {}

  std::optional<std::vector<Segment>> search() {
    std::vector<Front> fronts[2];
    for (auto& each : fronts) each.resize(layers_.size() + 1);
    fronts[0][0].push_back(nullptr);  // the batch need not be restored
    for (std::size_t at = 0; at < layers_.size(); ++at)
      for (bool restore : {false, true}) {
        prune(fronts[restore][at]);
        for (const auto& before : fronts[restore][at]) extend(before, at, restore, fronts);
      }
    Front last = std::move(fronts[0].back());
    std::move(fronts[1].back().begin(), fronts[1].back().end(), std::back_inserter(last));
    if (last.empty() || layers_.empty()) return {};
    std::vector<Segment> segments;
    for (auto at =
             *std::min_element(last.begin(), last.end(),
                               [](const auto&a, const auto&b) { return a->seconds < b->seconds; });
         at; at = at->before)
      segments.push_back(at->segment);
    std::reverse(segments.begin(), segments.end());
    return segments;
  }

  void extend(const std::shared_ptr<const Decision>& before, std::size_t at, bool restore,
              std::vector<Front> (&fronts)[2]) const {
    const std::int64_t kept = before ? before->kept : 0;
    const double seconds = before ? before->seconds : 0;
    const auto add = [&](std::size_t end, bool next_restores, std::int64_t bytes, double time,
                         Segment segment) {
      const std::int64_t rounded = (bytes + grain_ - 1) / grain_ * grain_;
      fronts[next_restores][end].push_back(std::make_shared<const Decision>(
          Decision{kept + rounded, seconds + time, segment, before}));
    };
    for (std::size_t i = 0; i < layers_[at].options.size(); ++i) {
      const LayerOption& option = layers_[at].options[i];
      const auto& bytes = option.bytes(restore);
      if (kept + std::max(bytes.forward, bytes.backward) > budget_) continue;
      add(at + 1, option.reads_output, bytes.kept, option.forward_seconds + option.backward_seconds,
          {at, at + 1, false, i});
    }
    // A segment of one layer is slower than storing that layer, and smaller only if the layer keeps
    // more than its input.
    double time = 0;
    std::int64_t inside = 0;  // kept by the layers of the segment during their backward pass
    bool inner_restore = restore;
    for (std::size_t end = at; end < layers_.size(); ++end) {
      const LayerOption& stored = layers_[end].options.front();
      const auto& bytes = stored.bytes(inner_restore);
      const std::int64_t preview = layers_[at].input + bytes.forward;
      const std::int64_t replay = layers_[end].output + inside + bytes.forward;
      if (kept + std::max({preview, replay, inside + bytes.backward}) > budget_) break;
      inside += bytes.kept;
      inner_restore = stored.reads_output;
      time += 2 * stored.forward_seconds + stored.backward_seconds;
      add(end + 1, false, layers_[at].input, time, {at, end + 1, true});
    }
  }

  static void prune(Front& front) {
    std::sort(front.begin(), front.end(), [](const auto& a, const auto& b) {
      if (!a || !b) return false;
      return std::pair(a->kept, a->seconds) < std::pair(b->kept, b->seconds);
    });
    double fastest = std::numeric_limits<double>::infinity();
    std::erase_if(front, [&](const auto& each) {
      if (!each) return false;
      const bool worse = each->seconds >= fastest;
      fastest = std::min(fastest, each->seconds);
      return worse;
    });
  }

  const std::vector<LayerOptions>& layers_;
  std::int64_t budget_, grain_;
};

}  // namespace retrace::inline RETRACE_ISA
