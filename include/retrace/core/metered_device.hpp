// What devices have in common: a memory meter, and a way to rehearse work without doing it.
#pragma once

#include "retrace/core/memory_meter.hpp"
#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// What a dry device counted instead of computing.
struct Work {
  double multiply_adds = 0;  ///< of convolutions and matrix products
  double bytes = 0;          ///< read and written by every operation, caches apart
};

/// The work of a pass that touches every element of `shape` `times` times.
template <class T>
Work pass(Shape shape, double times) {
  return {0, times * sizeof(T) * static_cast<double>(shape.size())};
}

/// A *dry* device meters every tensor and counts the work of every operation, but allocates no
/// memory and computes nothing: the same layers, run on it, tell what they would need. The
/// elements of a tensor made on it do not exist.
class MeteredDevice {
 public:
  MeteredDevice(const MeteredDevice&) = delete;
  MeteredDevice& operator=(const MeteredDevice&) = delete;

  MemoryMeter& memory() { return memory_; }
  bool dry() const { return dry_; }
  const Work& work() const { return work_; }

  /// Makes a device dry for a while, without a limit, and gives its meter back peak and limit. What
  /// is still held from within stays counted until it is released.
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
