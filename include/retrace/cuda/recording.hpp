// Operations that are recorded once and done again, as one launch.
#pragma once

#include <memory>

#include "retrace/cuda/cuda.hpp"

namespace retrace::inline RETRACE_ISA {

/// What body() puts on the stream, to be done by launch() as often as it is called, on the same
/// memory and with the same numbers.
///
/// Tensors that body() makes and drops have the memory of the recording, which it holds as long as
/// it lives; the meter counts them while they are recorded. Others have to live as long as it.
class CudaRecording {
 public:
  /// Does nothing of it yet.
  /// @throws DeviceError if body() waits for the GPU, reads from it or writes to it, or drops a
  ///         tensor that it has not made; and whatever body() throws.
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
