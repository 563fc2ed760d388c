// The seam at which another library may compute a device's convolutions.
#pragma once

#include <concepts>

#include "retrace/core/channel_norm.hpp"
#include "retrace/core/store.hpp"
#include "retrace/cpu/cpu.hpp"

namespace retrace::inline RETRACE_ISA {

/// Another implementation of conv2d and its gradients in float, for every device that is given it
/// (Cpu::set_convolutions). A function either does all of its work and returns true, or it does
/// nothing and returns false, and the device's own kernels are run. Which of the two must depend
/// on the shapes and the device alone, and the same call must give the same bits again: a layer
/// recomputes on the way back what it computed on the way forward.
///
/// On a dry device it takes its workspace and computes nothing, as every operation does.
class ConvolutionBackend {
 public:
  using Out = View<float, Cpu>;
  using In = View<const float, Cpu>;
  using Prologue = NormActivation<float, Cpu>;

  virtual ~ConvolutionBackend() = default;
  virtual bool convolve(Out y, In x, In w, Index stride, const Prologue* prologue, Store how) = 0;
  virtual bool input_gradient(Out dx, In dy, In w, Index stride, Store how) = 0;
  virtual bool weight_gradient(Out dw, In x, In dy, Index stride, const Prologue* prologue) = 0;
};

namespace cpu {

/// Whether the device's backend, if it has one, has done it. Backends compute in float alone.
template <class T, class Pass>
bool done_elsewhere(const Cpu& device, Pass pass) {
  if constexpr (std::same_as<T, float>)
    if (ConvolutionBackend* backend = device.convolutions()) return pass(*backend);
  return false;
}

}  // namespace cpu

}  // namespace retrace::inline RETRACE_ISA
