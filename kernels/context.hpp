// The stream of a GPU, the libraries that use it, and its errors.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>

#include <memory>
#include <utility>

#include "convolution_library.hpp"
#include "retrace/core/device_error.hpp"
#include "retrace/cuda/compiled.hpp"

namespace retrace::kernels {

/// Checks the status of a call.
/// @throws DeviceError such as "kernels/context.cpp:41: cudaMalloc: out of memory" if it failed.
void check(cudaError_t status, const char* call, const char* file = __builtin_FILE(),
           int line = __builtin_LINE());
void check(cublasStatus_t status, const char* call, const char* file = __builtin_FILE(),
           int line = __builtin_LINE());

/// Checks for errors after a launch.
inline void check_launch(const char* kernel, const char* file = __builtin_FILE(),
                         int line = __builtin_LINE()) {
  check(cudaGetLastError(), kernel, file, line);
}

class Context {
 public:
  Context(int device, const ContextOptions& options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  cudaStream_t stream() const { return stream_; }
  /// Stores an error raised where throwing is impossible; the next synchronize() throws it.
  void keep(cudaError_t status) {
    if (kept_ == cudaSuccess) kept_ = status;
  }
  cudaError_t take_kept() { return std::exchange(kept_, cudaSuccess); }
  int device() const { return device_; }
  ConvolutionType convolution_type() const { return convolution_type_; }
  /// Returns whether convolutions in float are computed in 16 bits.
  bool narrows() const {
    return convolution_type_ == ConvolutionType::half ||
           convolution_type_ == ConvolutionType::bfloat16;
  }
  /// Return null if the libraries are disabled; convolutions() also if there is no such library.
  cublasHandle_t blas() const { return blas_; }
  ConvolutionLibrary* convolutions() const { return convolutions_.get(); }

 private:
  int device_;
  ConvolutionType convolution_type_;
  cudaStream_t stream_ = nullptr;
  cublasHandle_t blas_ = nullptr;
  std::unique_ptr<ConvolutionLibrary> convolutions_;
  cudaError_t kept_ = cudaSuccess;
};

}  // namespace retrace::kernels
