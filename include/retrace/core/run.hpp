// What a forward pass is for: which statistics it uses and what it leaves behind.
#pragma once

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// Where a normalisation takes its mean and deviation from.
enum class Statistics {
  running,   ///< the averages over past batches: inference
  batch,     ///< this batch, and remember them
  recorded,  ///< what the layer's last `batch` run remembered: the same numbers once more
};

/// Images [first, first + count) of a batch; a count of 0 means all of it.
struct Chunk {
  Index first = 0, count = 0;

  constexpr bool operator==(const Chunk&) const = default;
};

/// What a forward pass is for: whose statistics it normalises by, and what it leaves behind.
struct Run {
  Statistics statistics;
  bool update_running;  ///< fold this batch into the running averages
  bool keep;            ///< what backward will need is kept
  bool restore = true;  ///< backward has to give the input back
  Chunk chunk = {};     ///< which images of the batch these are

  constexpr bool operator==(const Run&) const = default;
};

inline constexpr Run inference{Statistics::running, false, false};
inline constexpr Run training{Statistics::batch, true, true};

/// The first evaluation of something that will be evaluated again: keeps nothing.
constexpr Run preview(Run run) {
  run.keep = false;
  return run;
}

/// The second evaluation: the same numbers, the batch not counted twice, ready for backward.
constexpr Run replay(Run run) {
  if (run.statistics != Statistics::running) run.statistics = Statistics::recorded;
  run.update_running = false;
  run.keep = true;
  return run;
}

}  // namespace retrace::inline RETRACE_ISA
