// How a network is to spend memory in training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "retrace/core/memory_meter.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// What one layer of a chain does in a plan.
struct PlannedLayer {
  std::string name;
  Mode mode = Mode::stored;
  bool recomputed = false;      ///< in backward, from the input of the first of its segment
  bool begins_segment = false;  ///< whose input is kept
  double seconds = 0;           ///< of a micro-batch, forward and backward, as predicted
  std::int64_t kept = 0;        ///< bytes from forward to backward
};

/// A step of training within a budget: how every layer runs, and what that is predicted to take.
struct Plan {
  Shape batch{0, 0, 0, 0};
  Index micro_batch = 0;  ///< images at a time
  bool fused_optimizer = false;
  std::vector<PlannedLayer> layers{};
  std::size_t peak_bytes = 0;  ///< of a step, as predicted
  std::string peak_place{};    ///< the layer at work then
  double seconds = 0;          ///< of a step, as predicted

  /// Puts the net into these modes. The optimizer and the cutting of batches are the caller's.
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

/// "checkpoint" for the first layer of a segment, "recomputed" for the others, or the mode.
inline std::string mode_name(const PlannedLayer& layer) {
  if (!layer.recomputed) return std::string(name(layer.mode));
  return layer.begins_segment ? "checkpoint" : "recomputed";
}

}  // namespace retrace::inline RETRACE_ISA
