// Convolutions that are products of two matrices, by cuBLAS.
#pragma once

#include "context.hpp"

namespace retrace::kernels {

/// Whether a pass is one product: a window of one pixel, every pixel, nothing done to x.
inline bool is_product(const Convolution& c) {
  return c.kernel == 1 && c.stride == 1 && !c.prologue;
}

/// The pass by cuBLAS: `out` and `in` are what it writes and reads, `other` the weights or, for
/// their gradient, dy.
template <class T>
void multiply(Context&, const Convolution&, T* out, const T* in, const T* other);

}  // namespace retrace::kernels
