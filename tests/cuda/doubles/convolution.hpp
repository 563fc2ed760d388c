// A convolution's three passes, as cuDNN defines them.
#pragma once

#include <array>
#include <cstdint>

#include "cuda/doubles/numbers.hpp"

namespace doubles {

/// Of four dimensions: images or filters, channels, rows, columns.
struct Tensor {
  const char* name;
  Number type;
  std::array<std::int64_t, 4> sizes, strides;  ///< in elements
  std::int64_t alignment;                      ///< promised, in bytes
  void* data;
};

enum class Pass { forward, backward_data, backward_filter };

/// y = α (x * w) + β y, and its derivatives: the pass says which of the three is the result.
struct Convolution {
  Pass pass;
  Tensor x, w, y;
  std::array<std::int64_t, 2> padding, stride, dilation;
  double alpha, beta;
};

/// Computes it on device memory: an Error where shapes do not fit, or a tensor is not where it
/// says.
void compute(const Convolution& convolution);

}  // namespace doubles
