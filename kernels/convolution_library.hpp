// The interface through which another library can compute convolutions.
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

/// Computes convolutions of packed weights [outputs, kernel, kernel, inputs] and pitched images,
/// and always uses the same algorithm for the same pass.
class ConvolutionLibrary {
 public:
  virtual ~ConvolutionLibrary() = default;
  /// Returns the workspace size of a pass in bytes, or a negative value if the limit is too low.
  virtual std::int64_t workspace(const Convolution&, ElementType) = 0;
  /// Puts the pass on the stream. The result, including a weight gradient, is set or added
  /// according to `how`.
  virtual void run(const Convolution&, ElementType, void* x, void* w, void* y, void* workspace) = 0;
};

/// Returns cuDNN, or null if the library was built without it.
std::unique_ptr<ConvolutionLibrary> make_convolution_library(cudaStream_t, int device,
                                                             const ContextOptions&);

}  // namespace retrace::kernels
