// Settings that a network applies to all of its normalisations.
#pragma once

#include "retrace/layer/statistics_exchange.hpp"

namespace retrace::inline RETRACE_ISA {

/// A layer whose output depends on the whole batch: its backward needs sums over all images.
///
/// If the batch comes in chunks, backward takes two passes: gather() before the one that sums,
/// settle() before those that use the sums, release() in the end.
class BatchStatistics {
 public:
  virtual ~BatchStatistics() = default;

  virtual void gather() = 0;
  virtual void settle() = 0;
  virtual void release() noexcept = 0;

  /// Normalises by the running averages from here on, in training too, and leaves them as they are.
  virtual void hold(bool held) = 0;
  virtual bool held() const = 0;
  /// Keeps one scale and one shift of the running averages, and nothing that training needs.
  virtual void fold() = 0;
  /// Counts the images of other processes as part of every batch from here on; null ends that.
  virtual void exchange_with(StatisticsExchange* exchange) = 0;

 protected:
  BatchStatistics() = default;
  BatchStatistics(const BatchStatistics&) = default;
  BatchStatistics& operator=(const BatchStatistics&) = default;
};

}  // namespace retrace::inline RETRACE_ISA
