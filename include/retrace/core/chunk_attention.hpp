// The settings of attention within chunks of a sequence.
#pragma once

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// Heads and chunks of LocalAttention and LshAttention. Plain data.
struct ChunkAttentionTerms {
  Index heads = 1;     ///< divide the channels
  Index chunk = 64;    ///< positions in a chunk
  bool causal = true;  ///< a position attends to earlier ones only
  Index rounds = 1;    ///< of hashing
};

}  // namespace retrace::inline RETRACE_ISA
