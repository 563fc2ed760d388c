// Operations that are recorded once and then repeated in one launch.
#pragma once

#include <memory>

#include "retrace/cuda/cuda.hpp"

namespace retrace::inline RETRACE_ISA {

/// The operations that body() puts on the stream. Each launch() repeats them on the same memory and
/// with the same arguments.
///
/// Tensors that body() creates and destroys use memory that the recording owns; the meter counts
/// them during recording. All other tensors must outlive the recording.
class CudaRecording {
 public:
  /// Records without executing anything.
  /// @throws DeviceError if body() waits for the GPU, reads from it or writes to it, or releases a
  ///         tensor that it did not create.
  /// @throws any exception of body().
  template <class Body>
  CudaRecording(Cuda& device, Body body) : device_(device) {
    kernels::Context& on = *device.context();
    kernels::begin_recording(on);
    try {
      body();
      recording_.reset(kernels::end_recording(on));
    } catch (...) {
      kernels::drop_recording(on);
      throw;
    }
  }

  void launch() { kernels::launch(*device_.context(), *recording_); }

 private:
  struct Close {
    void operator()(kernels::Recording* recording) const { kernels::close(recording); }
  };
  Cuda& device_;
  std::unique_ptr<kernels::Recording, Close> recording_;
};

}  // namespace retrace::inline RETRACE_ISA
