// An NVIDIA GPU as a device: its memory and the stream on which its operations run.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "retrace/core/device_error.hpp"
#include "retrace/core/metered_device.hpp"
#include "retrace/core/tensor.hpp"
#include "retrace/cuda/compiled.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of a GPU: which libraries it uses, and how.
using CudaOptions = kernels::ContextOptions;
using kernels::ConvolutionType;

class CudaRecording;

/// An NVIDIA GPU. Operations return before they are finished and run in order; an operation that
/// returns a number to the host waits. Memory comes from a pool that reuses freed memory, so
/// training steps after the first take none from the driver.
///
/// Link Retrace::cuda, which contains the kernels.
class Cuda : public MeteredDevice {
 public:
  using Recording = CudaRecording;

  /// @throws DeviceError if there is no GPU of that number, no driver, or no memory on it.
  explicit Cuda(int number = 0, const CudaOptions& options = {})
      : context_(kernels::open(number, options)) {}

  /// Returns a device that is always dry and needs no GPU.
  static Cuda dry_device() { return Cuda(always_dry); }

  /// The meter counts before the device allocates, so memory().peak() includes these bytes.
  void* allocate(std::size_t bytes) {
    return dry_ || bytes == 0 ? nullptr : kernels::allocate(*context_, bytes);
  }
  void release(void* memory, std::size_t) noexcept {
    if (memory) kernels::release(*context_, memory);
  }

  /// Waits until all operations are finished.
  /// @throws DeviceError if one of them failed.
  void synchronize() {
    if (!dry_) kernels::synchronize(*context_);
  }
  /// Returns null on a device that was created dry.
  kernels::Context* context() const { return context_.get(); }
  /// Returns the GPU's name, such as "NVIDIA H100 80GB HBM3".
  std::string name() const { return kernels::name(*context_); }

  /// Puts an operation on the stream: body(context). A dry device only counts its work.
  template <class Body>
  void run(Work work, Body body) {
    if (!dry_) return body(*context_);
    add_work(work);
    if (listed_) listed_->push_back(work);
  }
  /// Sets a list to which a dry device appends the work of every operation, in order; null ends it.
  void list_work(std::vector<Work>* list) { listed_ = list; }

 private:
  enum AlwaysDry { always_dry };
  explicit Cuda(AlwaysDry) { dry_ = true; }

  struct Close {
    void operator()(kernels::Context* context) const { kernels::close(context); }
  };
  std::unique_ptr<kernels::Context, Close> context_;
  std::vector<Work>* listed_ = nullptr;
};

namespace cuda {

/// Converts a view to the kernels' description of it.
template <class T>
kernels::Pixels<T> pixels(View<T, Cuda> x) {
  return {x.data(), x.shape().pixels(), x.shape().c, x.pitch()};
}
template <class T>
kernels::Images<T> images(View<T, Cuda> x) {
  const Shape s = x.shape();
  return {x.data(), s.n, s.h, s.w, s.c, x.pitch()};
}

/// Returns doubles as workspace for a reduction.
inline Tensor<double, Cuda> scratch(Cuda& device, Index doubles) {
  return {device, per_channel(doubles), Use::workspace};
}

}  // namespace cuda

/// Returns the name of the machine that measured times belong to.
inline std::string machine_name(const Cuda& device) { return device.name(); }

}  // namespace retrace::inline RETRACE_ISA
