// Common parts of the emulated CUDA runtime functions.
#pragma once

#include <cuda_runtime.h>

namespace emulator {

/// Counts a call. Returns the status that it must fail with.
cudaError_t begin(const char* function);

/// Returns the status, and stores an error for cudaGetLastError.
cudaError_t answer(cudaError_t status);

cudaError_t take_last_error();
cudaError_t peek_last_error();

/// For calls that wait for the device. During a capture they return an error that ends the capture.
cudaError_t begin_waiting(const char* function);

}  // namespace emulator
