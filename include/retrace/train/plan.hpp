// A plan for the use of memory in training.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/memory_meter.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// One layer of a chain in a plan.
struct PlannedLayer {
  std::string name;
  Mode mode = Mode::stored;
  bool recomputed = false;      ///< runs again in backward, from the input of its segment
  bool begins_segment = false;  ///< is the first of its segment, whose input is kept
  double seconds = 0;           ///< predicted time per micro-batch, forward and backward
  std::int64_t kept = 0;        ///< bytes from forward to backward
};

/// The modes of all layers for a training step within a budget, and the predicted costs.
struct Plan {
  Shape batch{0, 0, 0, 0};
  Index micro_batch = 0;  ///< images at a time
  bool fused_optimizer = false;
  std::vector<PlannedLayer> layers{};
  std::size_t peak_bytes = 0;  ///< predicted peak of a step
  std::string peak_place{};    ///< the layer that runs at the peak
  double seconds = 0;          ///< predicted time of a step

  /// Sets the modes of the net. The caller must fuse the optimizer and split batches.
  template <class Net>
  void apply(Net& net) const {
    net.set_mode(Mode::stored);
    for (std::size_t i = 0; i < layers.size(); ++i) net.set_mode(i, layers[i].mode);
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!layers[i].begins_segment) continue;
      std::size_t end = i + 1;
      while (end < layers.size() && layers[end].recomputed && !layers[end].begins_segment) ++end;
      net.recompute(i, end);
    }
  }
};

/// Returns the plans that are faster than every smaller one, sorted by bytes.
inline std::vector<Plan> pareto_front(std::vector<Plan> plans) {
  std::sort(plans.begin(), plans.end(), [](const Plan& a, const Plan& b) {
    return std::pair(a.peak_bytes, a.seconds) < std::pair(b.peak_bytes, b.seconds);
  });
  double fastest = std::numeric_limits<double>::infinity();
  std::erase_if(plans, [&](const Plan& each) {
    const bool beaten = each.seconds >= fastest;
    fastest = std::min(fastest, each.seconds);
    return beaten;
  });
  return plans;
}

/// Returns "checkpoint" for the first layer of a segment, "recomputed" for its other layers, or the
/// name of the mode.
inline std::string mode_name(const PlannedLayer& layer) {
  if (!layer.recomputed) return std::string(name(layer.mode));
  return layer.begins_segment ? "checkpoint" : "recomputed";
}

}  // namespace retrace::inline RETRACE_ISA
