// A product of matrices as cuBLAS defines it, column after column: checked and computed.
#pragma once

#include "cuda/doubles/numbers.hpp"

namespace doubles {

struct Matrix {
  void* data;
  Number type;
  int leading;       ///< elements from column to column
  long long stride;  ///< elements from one of the batch to the next
  bool transposed = false;
};

/// C = α op(A) op(B) + β C for each of a batch, where op(A) is [rows, inner], op(B) [inner,
/// columns].
struct Gemm {
  const char* call;
  int rows, columns, inner;
  Matrix a, b, c;
  double alpha, beta;
  int batch = 1;
  bool tf32 = false;
};

/// Whether the sizes are ones that cuBLAS takes.
bool sizes_are_valid(const Gemm& gemm);

/// Computes it, on device memory that must hold all of each matrix, else an Error.
void compute(const Gemm& gemm);

}  // namespace doubles
