// A sequence that grows position by position.
#pragma once

#include <cstdint>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// The progress of a sequence that a network continues. The stages of the network share it by
/// pointer; as long as `longest` is positive, inference runs are given new positions alone, and
/// Attention keeps the keys and values of the earlier ones.
struct Decoding {
  Index longest = 0;         ///< positions that there may be
  Index done = 0;            ///< positions that have passed
  std::uint64_t number = 0;  ///< of the sequence

  bool active() const { return longest > 0; }
};

}  // namespace retrace::inline RETRACE_ISA
