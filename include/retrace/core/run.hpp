// What a forward pass is for: which statistics it uses and what it leaves behind.
#pragma once

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// Where a normalisation takes its mean and deviation from.
enum class Statistics {
  running,   ///< the averages over past batches: inference
  batch,     ///< this batch, and remember them
  recorded,  ///< what the layer's last `batch` run remembered: the same numbers once more
};

struct Run {
  Statistics statistics;
  bool update_running;  ///< fold this batch into the running averages
  bool keep;            ///< what backward will need is kept
  bool restore = true;  ///< backward has to give the input back

  constexpr bool operator==(const Run&) const = default;
};

inline constexpr Run inference{Statistics::running, false, false};
inline constexpr Run training{Statistics::batch, true, true};

/// The first evaluation of something that will be evaluated again: keeps nothing.
constexpr Run preview(Run run) { return {run.statistics, run.update_running, false, run.restore}; }

/// The second evaluation: the same numbers, the batch not counted twice, ready for backward.
constexpr Run replay(Run run) {
  const bool trains = run.statistics != Statistics::running;
  return {trains ? Statistics::recorded : Statistics::running, false, true, run.restore};
}

}  // namespace retrace::inline RETRACE_ISA
