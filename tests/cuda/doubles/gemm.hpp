// A matrix product as defined by cuBLAS, column-major: checked and computed.
#pragma once

#include "cuda/doubles/numbers.hpp"

namespace doubles {

struct Matrix {
  void* data;
  Number type;
  int leading;       ///< elements from column to column
  long long stride;  ///< elements from one matrix of the batch to the next
  bool transposed = false;
};

/// C = α op(A) op(B) + β C for each matrix of a batch, where op(A) is [rows, inner], op(B) [inner,
/// columns].
struct Gemm {
  const char* call;
  int rows, columns, inner;
  Matrix a, b, c;
  double alpha, beta;
  int batch = 1;
  bool tf32 = false;
};

/// Returns whether cuBLAS accepts the sizes.
bool sizes_are_valid(const Gemm& gemm);

/// Computes it on device memory. Throws an Error unless device allocations contain each matrix.
void compute(const Gemm& gemm);

}  // namespace doubles
