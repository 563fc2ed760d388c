// The exchange of batch statistics between processes that share a batch.
#pragma once

#include <span>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// Combines the statistics of this process's images with those of the other processes, so that a
/// normalisation treats all of them as one batch. Each normalisation calls it once in forward,
/// where the result is recorded, and once in backward. A replay calls nothing.
class StatisticsExchange {
 public:
  virtual ~StatisticsExchange() = default;

  /// Replaces mean and biased variance per channel over `pixels`, which may be 0, by those of all
  /// processes. Returns the pixels of all.
  virtual Index combine_moments(std::span<double> mean, std::span<double> variance,
                                Index pixels) = 0;
  /// Adds the sums of the other processes. Returns the pixels of all.
  virtual Index combine_sums(std::span<double> sums, Index pixels) = 0;

 protected:
  StatisticsExchange() = default;
  StatisticsExchange(const StatisticsExchange&) = default;
  StatisticsExchange& operator=(const StatisticsExchange&) = default;
};

}  // namespace retrace::inline RETRACE_ISA
