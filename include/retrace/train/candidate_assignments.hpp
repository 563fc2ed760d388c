// Assignments of modes to layers among which the planner looks for the fastest that fits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "retrace/train/assignment.hpp"

namespace retrace::inline RETRACE_ISA::detail {

/// Returns the smallest budget that has an assignment, to within 0.1 %.
inline std::int64_t least_room(const std::vector<LayerOptions>& layers) {
  std::int64_t least = 0, enough = 1;
  while (!Assignment::fastest(layers, enough)) enough *= 2;
  while (enough - least > enough / 1000 + 1) {
    const std::int64_t middle = least + (enough - least) / 2;
    (Assignment::fastest(layers, middle) ? enough : least) = middle;
  }
  return enough;
}

/// Returns a geometric series of budgets, from `least` to one that allows every layer its largest
/// option.
inline std::vector<std::int64_t> rooms(const std::vector<LayerOptions>& layers,
                                       std::int64_t least) {
  constexpr int steps = 16;
  std::int64_t kept = 0, held = 0;
  for (const LayerOptions& layer : layers) {
    std::int64_t most = layer.input;
    for (const LayerOption& option : layer.options) {
      most = std::max(most, option.bytes(true).kept);
      held = std::max({held, option.bytes(true).forward, option.bytes(true).backward});
    }
    kept += most;
  }
  const double ratio = std::max(static_cast<double>(kept + held) / static_cast<double>(least), 1.);
  std::vector<std::int64_t> all;
  for (int i = 0; i <= steps; ++i)
    all.push_back(static_cast<std::int64_t>(
        std::ceil(static_cast<double>(least) * std::pow(ratio, double(i) / steps))));
  return all;
}

/// Returns the option of the given mode. If the layer has none, returns the last one before it,
/// which behaves the same.
inline std::size_t option_like(const LayerOptions& layer, Mode mode) {
  std::size_t found = 0;
  for (std::size_t k = 0; k < layer.options.size(); ++k)
    if (layer.options[k].mode <= mode) found = k;
  return found;
}

/// Returns the assignments with one mode for all layers, and those with a checkpoint every k
/// layers.
inline std::vector<std::vector<Segment>> uniform(const std::vector<LayerOptions>& layers) {
  std::vector<std::vector<Segment>> all;
  for (Mode mode : all_modes) {
    std::vector<Segment> segments;
    for (std::size_t i = 0; i < layers.size(); ++i)
      segments.push_back({i, i + 1, false, option_like(layers[i], mode)});
    all.push_back(std::move(segments));
  }
  for (std::size_t every = 1; every < layers.size(); ++every) {
    std::vector<Segment> segments;
    std::size_t at = 0;
    for (; at + every < layers.size(); at += every) segments.push_back({at, at + every, true});
    for (; at < layers.size(); ++at) segments.push_back({at, at + 1, false, 0});
    all.push_back(std::move(segments));
  }
  return all;
}

}  // namespace retrace::inline RETRACE_ISA::detail
