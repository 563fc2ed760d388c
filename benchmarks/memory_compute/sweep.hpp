// One network with every uniform mode and with plans for a range of budgets: memory and time,
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
  int budgets = 12;  ///< evenly spaced from the smallest feasible one to that of `stored`
  int steps = 5;     ///< timed steps per variant, alternating
  int threads = 0;   ///< 0 means one per processor
};

/// An assignment of modes to layers, and its measurements.
struct Variant {
  std::string label;                  ///< "reversible", or the budget
  std::optional<std::size_t> budget;  ///< the budget, if this is a plan
  retrace::Plan plan;                 ///< the modes and their predictions
  std::size_t peak_bytes = 0;         ///< measured by the meter
  double seconds = 0;                 ///< measured median

  double peak_error() const;  ///< relative to the measured peak
  double time_error(double slowdown) const;
};

struct Sweep {
  retrace::Architecture architecture;
  retrace::Index batch;
  std::vector<Variant> by_hand, planned;
  double slowdown = 1;  ///< of the machine since the layers were timed

  /// Returns the fastest uniform variant whose peak fits in the budget, or null.
  const Variant* best_by_hand(std::size_t budget) const;
};

/// Runs the sweep and prints progress to stderr. Times all layers again instead of using the
/// planner's cache.
Sweep sweep(retrace::Architecture architecture, const SweepOptions& options);

}  // namespace memory_compute
