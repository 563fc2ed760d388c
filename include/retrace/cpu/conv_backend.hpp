// The interface through which another library can compute a device's convolutions.
#pragma once

#include <concepts>

#include "retrace/core/channel_norm.hpp"
#include "retrace/core/store.hpp"
#include "retrace/cpu/cpu.hpp"

namespace retrace::inline RETRACE_ISA {

/// Another implementation of conv2d and its gradients in float, for devices that it is set on
/// (Cpu::set_convolutions). A function either does all of its work and returns true, or does
/// nothing and returns false, in which case the device's own kernels run. This choice must depend
/// only on the shapes and the device, and the same call must always give the same bits, because
/// backward recomputes activations of the forward pass.
///
/// On a dry device it allocates its workspace and computes nothing, as every operation does.
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

/// Runs `pass` on the device's backend, if there is one. Returns whether the backend has done the
/// work. Backends support float only.
template <class T, class Pass>
bool done_elsewhere(const Cpu& device, Pass pass) {
  if constexpr (std::same_as<T, float>)
    if (ConvolutionBackend* backend = device.convolutions()) return pass(*backend);
  return false;
}

}  // namespace cpu

}  // namespace retrace::inline RETRACE_ISA
