// The kind of a forward pass: which statistics it uses and what it stores.
#pragma once

#include <atomic>
#include <cstdint>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// Where a normalisation takes its mean and deviation from.
enum class Statistics {
  running,   ///< the averages over past batches: inference
  batch,     ///< this batch, whose statistics are recorded
  recorded,  ///< those that the layer recorded last: the same numbers once more
};

/// Images [first, first + count) of a batch; a count of 0 means all of it.
struct Chunk {
  Index first = 0, count = 0;

  constexpr bool operator==(const Chunk&) const = default;
};

/// What a forward pass uses and what it leaves behind.
struct Run {
  Statistics statistics = Statistics::batch;
  bool update_running = false;  ///< the running averages take this batch in
  bool keep = false;            ///< backward follows: what it will need is stored
  bool restore = true;          ///< backward must reconstruct the input
  Chunk chunk = {};             ///< which images of the batch these are
  std::uint64_t pass = 0;       ///< number of the pass; the outermost chain gives it

  constexpr bool operator==(const Run&) const = default;
};

inline constexpr Run inference{.statistics = Statistics::running};
inline constexpr Run training{.update_running = true, .keep = true};
/// Forward by the running averages with backward to follow: for gradients with respect to an input.
inline constexpr Run differentiable_inference{.statistics = Statistics::running, .keep = true};
/// Forward by the batch's statistics that leaves no trace.
inline constexpr Run measuring_run{};

/// The first evaluation of a function that will be evaluated again: stores nothing.
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

/// A number that no other pass of this process has.
inline std::uint64_t next_pass() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace retrace::inline RETRACE_ISA
