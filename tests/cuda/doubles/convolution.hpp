// The three passes of a convolution as defined by cuDNN.
#pragma once

#include <array>
#include <cstdint>

#include "cuda/doubles/numbers.hpp"

namespace doubles {

/// A tensor of four dimensions: images or filters, channels, rows, columns.
struct Tensor {
  const char* name;
  Number type;
  std::array<std::int64_t, 4> sizes, strides;  ///< in elements
  std::int64_t alignment;                      ///< promised alignment in bytes
  void* data;
};

enum class Pass { forward, backward_data, backward_filter };

/// y = α (x * w) + β y or one of its derivatives; the pass determines which operand is the result.
struct Convolution {
  Pass pass;
  Tensor x, w, y;
  std::array<std::int64_t, 2> padding, stride, dilation;
  double alpha, beta;
};

/// Computes it on device memory. Throws an Error if shapes do not match or a tensor is not inside a
/// device allocation.
void compute(const Convolution& convolution);

}  // namespace doubles
