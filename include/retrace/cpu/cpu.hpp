// The host as a device: its memory and its threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <exception>

#include "retrace/core/metered_device.hpp"
#include "retrace/core/tensor.hpp"
#include "retrace/cpu/heap.hpp"
#include "retrace/cpu/profile.hpp"

namespace retrace::inline RETRACE_ISA {

class ConvolutionBackend;

/// Memory that is freed serves later tensors: a training step gets the addresses of the step
/// before it, and no memory from the operating system. The process never holds more than a
/// sixteenth above the meter's peak for it.
class Cpu : public MeteredDevice {
 public:
  /// @param threads  0 takes what OpenMP would use.
  explicit Cpu(int threads = 0) : threads_(threads > 0 ? threads : omp_get_max_threads()) {}

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

  int threads() const { return threads_; }

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

  /// Calls body(first, last, thread) once for each thread's share of [0, count): contiguous, and
  /// the same for the same number of threads. A dry device only adds up `work`.
  /// @throws what a body throws; of several, any.
  template <class Body>
  void parallel(Index count, Work work, Body body) {
    if (dry_) return add_work(work);
    if (count <= 0) return;
    const int team = static_cast<int>(std::min<Index>(threads_, count));
    if (team == 1) return body(Index{0}, count, 0);
    std::exception_ptr failure;  // nothing may leave a parallel region but by its end
#pragma omp parallel num_threads(team)
    try {
      const int thread = omp_get_thread_num();
      body(count * thread / team, count * (thread + 1) / team, thread);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
    if (failure) std::rethrow_exception(failure);
  }

 private:
  enum AlwaysDry { always_dry };
  Cpu(int threads, AlwaysDry) : Cpu(threads) { dry_ = true; }

  cpu::Heap heap_;
  int threads_;
  bool winograd_ = true;
  Profile* profile_ = nullptr;
  ConvolutionBackend* convolutions_ = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
