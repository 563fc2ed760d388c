// Convolutions that are products of two matrices, by cuBLAS.
#pragma once

#include "context.hpp"

namespace retrace::kernels {

/// Whether a pass is one product: a window of one pixel, every pixel, nothing done to x.
inline bool is_product(const Convolution& c) {
  return c.kernel == 1 && c.stride == 1 && !c.prologue;
}

/// Bytes of workspace that cuBLAS is given for a product: as much on every GPU, as how it cuts a
/// sum into parts depends on it.
inline constexpr std::int64_t product_workspace = 4 << 20;

/// The pass by cuBLAS: `out` and `in` are what it writes and reads, `other` the weights or, for
/// their gradient, dy.
template <class T>
void multiply(Context&, const Convolution&, T* out, const T* in, const T* other, void* workspace);

}  // namespace retrace::kernels
