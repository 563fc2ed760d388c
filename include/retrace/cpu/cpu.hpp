// The host as a device: its memory and its threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "retrace/core/error.hpp"
#include "retrace/core/metered_device.hpp"
#include "retrace/core/tensor.hpp"
#include "retrace/core/thread_team.hpp"
#include "retrace/cpu/heap.hpp"
#include "retrace/cpu/profile.hpp"

namespace retrace::inline RETRACE_ISA {

class ConvolutionBackend;

/// Memory that is freed serves later tensors: a training step gets the addresses of the step
/// before it, and no memory from the operating system. The process never holds more than a
/// sixteenth above the meter's peak for it.
///
/// A device serves one thread at a time: each thread of a program needs a device of its own.
class Cpu : public MeteredDevice {
 public:
  /// @param threads  0 takes one for each processor that this process may run on.
  explicit Cpu(int threads = 0) : team_(threads) {}

  /// Returns a device that is always dry: networks larger than the machine can be built on it.
  static Cpu dry_device(int threads = 0) { return {threads, always_dry}; }

  /// The meter counts before the device allocates, so memory().peak() includes these bytes.
  void* allocate(std::size_t bytes) {
    if (dry_) return nullptr;
    const std::size_t peak = memory_.peak().total();
    return heap_.allocate(bytes, peak + peak / 16);
  }
  void release(void* memory, std::size_t bytes) noexcept {
    if (memory) heap_.release(memory, bytes);
  }
  /// How often memory was asked of the operating system rather than reused.
  std::size_t allocations() const { return heap_.acquisitions(); }

  int threads() const { return team_.threads(); }

  /// Whether convolutions may use Winograd's algorithm where it is faster: it rounds a few times
  /// as much as a direct one (docs/performance.md). Not to be changed between a forward pass and
  /// its backward pass.
  bool winograd() const { return winograd_; }
  void use_winograd(bool allowed) { winograd_ = allowed; }

  /// Adds up the seconds of every operation from now on; null ends that.
  void set_profile(Profile* profile) { profile_ = profile; }
  /// Declared at the top of an operation, times it for the profile.
  Profile::Timed timed(Operation operation) const { return {profile_, operation}; }

  /// Lets another library compute convolutions (cpu/conv_backend.hpp); null ends that. The backend
  /// must outlive its use. Not to be changed between a forward pass and its backward pass.
  void set_convolutions(ConvolutionBackend* backend) { convolutions_ = backend; }
  ConvolutionBackend* convolutions() const { return convolutions_; }

  /// Calls body(first, last, thread) for pieces that cover [0, count), as threads come free. Which
  /// pieces and on which threads is left to chance, so what is computed for an index must not
  /// depend on it; `thread` names a workspace that no other piece uses meanwhile. Little work stays
  /// on the calling thread. A dry device only adds up `work`.
  /// @throws what a body throws; of several, any.
  /// @throws StateError if another thread is in an operation of this device.
  template <class Body>
  void parallel(Index count, Work work, Body body) {
    if (dry_) return add_work(work);
    compute(shares(), count, work,
            [&](Index first, Index last, int thread, Index) { body(first, last, thread); });
  }
  /// The same for work that a dry device does not count, such as preparing weights.
  template <class Body>
  void parallel_uncounted(Index count, Work work, Body body) {
    if (!dry_) parallel(count, work, body);
  }

  /// Calls body(first, last, thread, share) once for each of at most `shares` shares of [0, count),
  /// which are contiguous and the same for the same numbers. For sums: each share has one of its
  /// own, and sums that are added in the order of the shares have the same bits every time.
  template <class Body>
  void parallel_shares(int shares, Index count, Work work, Body body) {
    if (dry_) return add_work(work);
    compute(shares, count, work, body);
  }
  /// Shares enough for threads to take over work from one another; one if there is one thread.
  int shares() const { return threads() == 1 ? 1 : 4 * threads(); }

 private:
  enum AlwaysDry { always_dry };
  Cpu(int threads, AlwaysDry) : Cpu(threads) { dry_ = true; }

  /// By what one thread takes, roughly.
  static bool is_little(Work work) {
    constexpr double seconds_of_multiply_add = 0.04e-9, seconds_of_byte = 0.1e-9;
    return work.multiply_adds * seconds_of_multiply_add + work.bytes * seconds_of_byte <
           least_shared_seconds;
  }

  template <class Body>
  void compute(int parts, Index count, Work work, Body body) {
    if (count <= 0) return;
    const Index pieces = std::min<Index>(is_little(work) ? 1 : parts, count);
    const auto piece = [&](Index i, int thread) {
      body(count * i / pieces, count * (i + 1) / pieces, thread, i);
    };
    if (!team_.try_run(pieces, piece))
      throw StateError(
          "Cpu: another thread is in an operation of this device; each thread needs "
          "a device of its own");
  }

  cpu::Heap heap_;
  ThreadTeam team_;
  bool winograd_ = true;
  Profile* profile_ = nullptr;
  ConvolutionBackend* convolutions_ = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
