// The segments of a chain that run once more in backward.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include "retrace/net/modes.hpp"

namespace retrace::inline RETRACE_ISA {

/// Recomputed segments, one behind the other.
class Segments {
 public:
  /// Layers [first, end), recomputed in backward or not.
  struct Part {
    std::size_t first, end;
    bool recomputed;
  };

  /// @throws std::invalid_argument unless [first, end) are some of the `layers` behind the segments
  ///         that were added before.
  void add(std::size_t first, std::size_t end, std::size_t layers) {
    const std::size_t least = recomputed_.empty() ? 0 : recomputed_.back().end;
    if (first < least || first >= end || end > layers)
      throw std::invalid_argument("Chain::recompute: layers " + std::to_string(first) + " to " +
                                  std::to_string(end) + " are not a segment behind layer " +
                                  std::to_string(least) + " of " + std::to_string(layers));
    recomputed_.push_back({first, end});
  }
  void clear() { recomputed_.clear(); }
  const std::vector<Modes::Segment>& recomputed() const { return recomputed_; }

  bool recomputed_up_to(std::size_t end) const {
    return std::any_of(recomputed_.begin(), recomputed_.end(),
                       [=](const Modes::Segment& segment) { return segment.end == end; });
  }

  /// Returns the segments and the parts between them, for a chain of the given number of layers.
  std::vector<Part> parts(std::size_t layers) const {
    std::vector<Part> all;
    std::size_t at = 0;
    for (const auto& [first, end] : recomputed_) {
      if (at < first) all.push_back({at, first, false});
      all.push_back({first, end, true});
      at = end;
    }
    if (at < layers) all.push_back({at, layers, false});
    return all;
  }

 private:
  std::vector<Modes::Segment> recomputed_;
};

/// √L layers, at least one.
inline std::size_t square_root_interval(std::size_t layers) {
  return static_cast<std::size_t>(
      std::lround(std::sqrt(static_cast<double>(std::max<std::size_t>(layers, 1)))));
}

}  // namespace retrace::inline RETRACE_ISA
