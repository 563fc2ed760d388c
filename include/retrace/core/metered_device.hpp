// Base class of devices: a memory meter, and dry execution that counts work without computing.
#pragma once

#include "retrace/core/memory_meter.hpp"
#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// The work that a dry device counted.
struct Work {
  double multiply_adds = 0;  ///< in convolutions and matrix products
  double bytes = 0;          ///< read and written by all operations, ignoring caches
};

/// Returns the work of reading or writing every element of `shape` `times` times.
template <class T>
Work sweep_work(Shape shape, double times) {
  return {0, times * sizeof(T) * static_cast<double>(shape.size())};
}

/// A *dry* device meters every tensor and counts the work of every operation, but allocates no
/// memory and computes nothing: running the same layers on it measures their cost in advance. A
/// tensor made on a dry device has no elements in memory.
class MeteredDevice {
 public:
  MeteredDevice(const MeteredDevice&) = delete;
  MeteredDevice& operator=(const MeteredDevice&) = delete;

  MemoryMeter& memory() { return memory_; }
  bool dry() const { return dry_; }
  const Work& work() const { return work_; }

  /// Scope guard that makes a device dry and removes its memory limit, and restores peak and limit
  /// afterwards. Tensors that outlive it stay counted until they are released.
  class Rehearsal {
   public:
    explicit Rehearsal(MeteredDevice& device)
        : device_(device), memory_(device.memory_), dry_(device.dry_), work_(device.work_) {
      device_.dry_ = true;
      device_.work_ = {};
      device_.memory_.set_limit(MemoryMeter::unlimited);
      device_.memory_.restart_peak();
    }
    ~Rehearsal() {
      device_.memory_.resume(memory_);
      device_.dry_ = dry_;
      device_.work_ = work_;
    }
    Rehearsal(const Rehearsal&) = delete;
    Rehearsal& operator=(const Rehearsal&) = delete;

   private:
    MeteredDevice& device_;
    MemoryMeter memory_;
    bool dry_;
    Work work_;
  };

 protected:
  MeteredDevice() = default;
  ~MeteredDevice() = default;

  void add_work(Work work) {
    work_.multiply_adds += work.multiply_adds;
    work_.bytes += work.bytes;
  }

  MemoryMeter memory_;
  bool dry_ = false;
  Work work_;
};

}  // namespace retrace::inline RETRACE_ISA
