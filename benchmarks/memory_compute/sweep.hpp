// One network in every mode by hand, and as planned for a sweep of budgets: bytes and seconds,
// predicted and measured.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "float_networks.hpp"

namespace memory_compute {

struct SweepOptions {
  retrace::Index batch = 64;
  int budgets = 12;  ///< evenly from the smallest that has a plan to what `stored` takes
  int steps = 5;     ///< timed of every way, in turns
  int threads = 0;   ///< 0: one for each processor
};

/// A way to spend memory, and what it took.
struct Way {
  std::string label;                  ///< "reversible", or the budget in MB
  std::optional<std::size_t> budget;  ///< of a plan
  retrace::Plan plan;                 ///< with what was predicted
  std::size_t peak_bytes = 0;         ///< measured by the meter
  double seconds = 0;                 ///< measured, the median

  double peak_error() const;  ///< relative to what was measured
  double time_error(double slowdown) const;
};

struct Sweep {
  retrace::Architecture architecture;
  retrace::Index batch;
  std::vector<Way> by_hand, planned;
  double slowdown = 1;  ///< of the machine, since layers were timed for the plans

  /// The fastest way by hand whose peak is within the budget; none may be.
  const Way* best_by_hand(std::size_t budget) const;
};

/// Tells stderr how it goes. Times of layers are measured anew, whatever is in the planner's file.
Sweep sweep(retrace::Architecture architecture, const SweepOptions& options);

}  // namespace memory_compute
