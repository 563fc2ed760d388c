// The memory modes of a chain, saved so that they can be restored.
#pragma once

#include <cstddef>
#include <vector>

#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Of a layer, and of the layers inside it where it is a chain or holds one.
struct Modes {
  /// Layers [first, end) that run once more in backward.
  struct Segment {
    std::size_t first, end;

    bool operator==(const Segment&) const = default;
  };

  Mode mode = Mode::reversible;  ///< that of a new layer
  std::vector<Modes> inside{};
  std::vector<Segment> recomputed{};  ///< of those inside

  bool operator==(const Modes&) const = default;
};

}  // namespace retrace::inline RETRACE_ISA
