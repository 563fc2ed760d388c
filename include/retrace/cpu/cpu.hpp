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

/// The host. Freed memory is reused for later tensors, so a training step gets the same addresses
/// as the step before it and needs no new memory from the operating system. The process never holds
/// more than 1/16 above the metered peak.
///
/// A device serves one thread at a time: each thread of a program needs its own device.
class Cpu : public MeteredDevice {
 public:
  /// @param threads  the number of threads; 0 means one per processor that this process may use.
  explicit Cpu(int threads = 0) : team_(threads) {}

  /// Returns a device that is always dry, on which networks larger than the machine can be built.
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
  /// Returns how often memory came from the operating system instead of being reused.
  std::size_t allocations() const { return heap_.acquisitions(); }

  int threads() const { return team_.threads(); }

  /// Returns whether convolutions may use Winograd's algorithm if it is faster. Its rounding error
  /// is a few times that of direct convolution (docs/performance.md). Must not change between a
  /// forward pass and its backward pass.
  bool winograd() const { return winograd_; }
  void use_winograd(bool allowed) { winograd_ = allowed; }

  /// Adds the seconds of every later operation to `profile`; null ends profiling.
  void set_profile(Profile* profile) { profile_ = profile; }
  /// Returns a guard that an operation declares first, to time itself for the profile.
  Profile::Timed timed(Operation operation) const { return {profile_, operation}; }

  /// Sets another library for convolutions (cpu/conv_backend.hpp); null removes it. The backend
  /// must outlive its use. Must not change between a forward pass and its backward pass.
  void set_convolutions(ConvolutionBackend* backend) { convolutions_ = backend; }
  ConvolutionBackend* convolutions() const { return convolutions_; }

  /// Calls body(first, last, thread) for pieces that cover [0, count) as threads become free. The
  /// pieces and their threads vary from run to run, so the result for an index must not depend on
  /// them. No other piece runs with the same `thread` meanwhile, so it can index a workspace. Small
  /// amounts of work stay on the calling thread. A dry device only counts `work`.
  /// @throws any one of the exceptions that `body` throws.
  /// @throws StateError if another thread is running an operation of this device.
  template <class Body>
  void parallel(Index count, Work work, Body body) {
    if (dry_) return add_work(work);
    compute(shares(), count, work,
            [&](Index first, Index last, int thread, Index) { body(first, last, thread); });
  }
  /// Like the overload above, for work that a dry device does not count, such as packing weights.
  template <class Body>
  void parallel_uncounted(Index count, Work work, Body body) {
    if (!dry_) parallel(count, work, body);
  }

  /// Calls body(first, last, thread, share) once for each of at most `shares` contiguous shares of
  /// [0, count). The same arguments always give the same shares, so a sum per share, added in the
  /// order of the shares, has the same bits every time.
  template <class Body>
  void parallel_shares(int shares, Index count, Work work, Body body) {
    if (dry_) return add_work(work);
    compute(shares, count, work, body);
  }
  /// Returns enough shares for threads to balance the work; 1 for a single thread.
  int shares() const { return threads() == 1 ? 1 : 4 * threads(); }

 private:
  enum AlwaysDry { always_dry };
  Cpu(int threads, AlwaysDry) : Cpu(threads) { dry_ = true; }

  /// Estimates from the rough time on one thread.
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
          "Cpu: another thread is using this device; each thread needs its own device");
  }

  cpu::Heap heap_;
  ThreadTeam team_;
  bool winograd_ = true;
  Profile* profile_ = nullptr;
  ConvolutionBackend* convolutions_ = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
