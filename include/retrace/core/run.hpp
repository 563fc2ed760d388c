// The kind of a forward pass: the statistics that it uses and what it stores.
#pragma once

#include <atomic>
#include <cstdint>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// The source of a normalisation's mean and deviation.
enum class Statistics {
  running,   ///< running averages over past batches, for inference
  batch,     ///< the current batch; its statistics are recorded
  recorded,  ///< the statistics that the layer recorded last
};

/// Images [first, first + count) of a batch; a count of 0 means all of it.
struct Chunk {
  Index first = 0, count = 0;

  constexpr bool operator==(const Chunk&) const = default;
};

/// Options of a forward pass.
struct Run {
  Statistics statistics = Statistics::batch;
  bool update_running = false;  ///< update the running averages with this batch
  bool keep = false;            ///< backward follows: store what it needs
  bool restore = true;          ///< backward must reconstruct the input
  Chunk chunk = {};             ///< the images that are passed
  std::uint64_t pass = 0;       ///< number of the pass, set by the outermost chain

  constexpr bool operator==(const Run&) const = default;
};

inline constexpr Run inference{.statistics = Statistics::running};
inline constexpr Run training{.update_running = true, .keep = true};
/// Uses running statistics and keeps what backward needs: for gradients of the input.
inline constexpr Run differentiable_inference{.statistics = Statistics::running, .keep = true};
/// Uses the batch's statistics and leaves no trace.
inline constexpr Run measuring_run{};

/// Returns `run` for the first of two evaluations of a function: stores nothing.
constexpr Run preview(Run run) {
  run.keep = false;
  return run;
}

/// Returns `run` for the second evaluation: reuses the recorded statistics, does not update the
/// running averages again, and stores what backward needs.
constexpr Run replay(Run run) {
  if (run.statistics != Statistics::running) run.statistics = Statistics::recorded;
  run.update_running = false;
  run.keep = true;
  return run;
}

/// Returns a number that no other pass of this process has.
inline std::uint64_t next_pass() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace retrace::inline RETRACE_ISA
