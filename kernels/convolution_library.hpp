// The seam at which another library may compute convolutions.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <memory>

#include "retrace/cuda/compiled.hpp"

namespace retrace::kernels {

enum class ElementType { float32, float64, half, bfloat16 };
template <class T>
inline constexpr ElementType element_type = sizeof(T) == 4 ? ElementType::float32
                                                           : ElementType::float64;
template <>
inline constexpr ElementType element_type<__half> = ElementType::half;
template <>
inline constexpr ElementType element_type<__nv_bfloat16> = ElementType::bfloat16;

/// Convolutions of packed weights [outputs, kernel, kernel, inputs] and pitched images, always by
/// the same algorithm for the same pass.
class ConvolutionLibrary {
 public:
  virtual ~ConvolutionLibrary() = default;
  /// Bytes of workspace for a pass; negative if it cannot be done within the limit.
  virtual std::int64_t workspace(const Convolution&, ElementType) = 0;
  /// Puts the pass on the stream. What it computes is set or added as `how` says, a gradient of
  /// weights as well.
  virtual void run(const Convolution&, ElementType, void* x, void* w, void* y, void* workspace) = 0;
};

/// cuDNN, or null where the library was built without it.
std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t, int device,
                                                             const ContextOptions&);

}  // namespace retrace::kernels
