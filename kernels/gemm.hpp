// Convolutions that are products of two matrices, computed by cuBLAS.
#pragma once

#include "context.hpp"

namespace retrace::kernels {

/// Returns whether a pass is one product: a window of one pixel, a stride of 1 and no prologue.
inline bool is_product(const Convolution& c) {
  return c.kernel == 1 && c.stride == 1 && !c.prologue;
}

/// The cuBLAS workspace of a product in bytes. The same on every GPU, because it affects how cuBLAS
/// splits a sum.
inline constexpr std::int64_t product_workspace = 4 << 20;

/// Runs the pass by cuBLAS: it reads `in` and writes `out`; `other` is the weights or, for their
/// gradient, dy.
template <class T>
void multiply(Context&, const Convolution&, T* out, const T* in, const T* other, void* workspace);

}  // namespace retrace::kernels
