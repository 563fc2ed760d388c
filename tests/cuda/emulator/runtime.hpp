// What the functions of CUDA's runtime have in common here.
#pragma once

#include <cuda_runtime.h>

namespace emulator {

/// Counts a call of the runtime; the status that it was told to fail with.
cudaError_t begin(const char* function);

/// Returns the status, and keeps an error for cudaGetLastError.
cudaError_t answer(cudaError_t status);

cudaError_t take_last_error();
cudaError_t peek_last_error();

/// For calls that wait for the device: while a stream is captured, an error that ends the capture.
cudaError_t begin_waiting(const char* function);

}  // namespace emulator
