// The matrix products of a Winograd convolution: each computes one tile of sums in registers.
#pragma once

#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The number of registers for the sums of a product: three quarters of the register file.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int product_registers = 24;
#else
inline constexpr int product_registers = 12;
#endif

/// The rows of a product are a multiple of this, for one, two or three registers per row.
inline constexpr Index product_rows = product_registers;

/// Calls `body.operator()<KV>(register)` for the blocks of registers that `columns` fill: blocks of
/// two, and the remainder as a block of three, or of one if it is the only register.
template <class T, class Body>
void for_each_register_block(Index columns, Body body) {
  Index left = columns / lanes<T>, at = 0;
  for (; left > 3 || left == 2; left -= 2, at += 2) body.template operator()<2>(at);
  if (left == 3) body.template operator()<3>(at);
  if (left == 1) body.template operator()<1>(at);
}

/// Computes c[R rows][KV registers] = Σ over `depth` of a[row][i]·b[i][KV registers].
template <class T, int R, int KV>
[[gnu::always_inline]] inline void multiply_rows(T* c, Index c_row, const T* a, Index a_row,
                                                 const T* b, Index depth) {
  constexpr int width = lanes<T>;
  Block<T, width> sums[R][KV] = {};
#pragma GCC unroll 2
  for (Index i = 0; i < depth; ++i, b += KV * width) {
    Block<T, width> right[KV];
#pragma GCC unroll 4
    for (int k = 0; k < KV; ++k) right[k] = load<width>(b + k * width);
#pragma GCC unroll 32
    for (int r = 0; r < R; ++r) {
      const T left = a[r * a_row + i];
#pragma GCC unroll 4
      for (int k = 0; k < KV; ++k) sums[r][k] += right[k] * left;
    }
  }
#pragma GCC unroll 32
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < KV; ++k) save<width>(c + r * c_row + k * width, sums[r][k]);
}

/// Computes C = A·B for a block of KV registers of columns; `rows` is rounded up to product_rows.
template <class T, int KV>
void multiply_block(T* c, Index c_row, const T* a, Index a_row, const T* b, Index rows,
                    Index depth) {
  constexpr int step = product_registers / KV;
  for (Index row = 0; row < rows; row += step)
    multiply_rows<T, step, KV>(c + row * c_row, c_row, a + row * a_row, a_row, b, depth);
}

/// Computes c[R rows][KV registers] += Σ over `depth` of a[i][row]·b[i][KV registers]. The sum
/// starts from zero.
template <class T, int R, int KV>
[[gnu::always_inline]] inline void add_outer_rows(T* c, Index c_row, const T* a, Index a_row,
                                                  const T* b, Index b_row, Index depth) {
  constexpr int width = lanes<T>;
  Block<T, width> sums[R][KV] = {};
#pragma GCC unroll 2
  for (Index i = 0; i < depth; ++i, a += a_row, b += b_row) {
    Block<T, width> right[KV];
#pragma GCC unroll 4
    for (int k = 0; k < KV; ++k) right[k] = load<width>(b + k * width);
#pragma GCC unroll 32
    for (int r = 0; r < R; ++r) {
      const T left = a[r];
#pragma GCC unroll 4
      for (int k = 0; k < KV; ++k) sums[r][k] += right[k] * left;
    }
  }
#pragma GCC unroll 32
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int k = 0; k < KV; ++k)
      save<width>(c + r * c_row + k * width,
                  Block<T, width>(load<width>(c + r * c_row + k * width) + sums[r][k]));
}

/// Computes C += Aᵀ·B for a block of KV registers of columns; `rows` of C is a multiple of 4.
template <class T, int KV>
void add_outer_block(T* c, Index c_row, const T* a, Index a_row, const T* b, Index b_row,
                     Index rows, Index depth) {
  constexpr int many = product_registers / KV / 2 * 2, some = KV == 1 ? 8 : 4, few = 4;
  Index row = 0;
  const auto take = [&]<int R>() {
    add_outer_rows<T, R, KV>(c + row * c_row, c_row, a + row, a_row, b, b_row, depth);
    row += R;
  };
  while (row < rows) {
    const Index left = rows - row;
    if (left >= many && left != 8)  // two blocks of four instead of six and two
      take.template operator()<many>();
    else if (left >= some)
      take.template operator()<some>();
    else
      take.template operator()<few>();
  }
}

}  // namespace retrace::inline RETRACE_ISA::cpu
