// The inner loop of a matrix product: tiles of sums in registers.
#pragma once

#include "retrace/cpu/store_block.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// Rows and registers of a tile: with the registers that hold a row of b and an element of a, they
/// fill the register file, which has 32 registers with AVX-512 or 64-bit Arm and 16 elsewhere.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int matrix_rows = 12;
#else
inline constexpr int matrix_rows = 6;
#endif
inline constexpr int matrix_registers = 2;
template <class T>
inline constexpr Index matrix_columns = matrix_registers* lanes<T>;

constexpr Index rounded_up(Index count, Index multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

/// c =, += or −= a·b with `depth` products a sum. Element (i, k) of a is a[i·a_row + k·a_step], row
/// k of b begins at b + k·b_step, row i of c at c + i·c_row.
template <class T>
struct Product {
  Index depth;
  const T* a;
  Index a_row, a_step;
  const T* b;
  Index b_step;
  T* c;
  Index c_row;
  Store how = Store::set;
};

/// R rows and V registers of W columns, of which `count` exist. Rows of b have as many elements
/// unless the tile is `Partial`. Each sum is a chain over k in order from zero, in tiles of all
/// sizes: it has the same bits wherever its element lies. A tile has two sums at least, since GCC
/// fuses no multiply-adds into a single one if it tunes for some processors.
template <class T, int R, int V, int W, bool Partial = false>
[[gnu::always_inline]] inline void product_tile(const Product<T>& p, Index row, Index column,
                                                Index count) {
  constexpr int line_registers = W * sizeof(T) < 64 ? 64 / (W * sizeof(T)) : 1;
  Block<T, W> sums[R][V];
  for (auto& of_row : sums)
    for (auto& sum : of_row) sum = Block<T, W>{};
  if (p.depth >= 128) {  // the sum takes as long as the cache line
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 8
      for (int v = 0; v < V; v += line_registers)
        __builtin_prefetch(p.c + (row + r) * p.c_row + column + v * W, 1);
  }
  const T* a = p.a + row * p.a_row;
  const T* b = p.b + column;
  for (Index k = 0; k < p.depth; ++k, a += p.a_step, b += p.b_step) {
    Block<T, W> from[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v)
      if constexpr (Partial)
        from[v] = load_part<W>(b + v * W, count - v * W);
      else
        from[v] = load<W>(b + v * W);
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      const T factor = a[r * p.a_row];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums[r][v] += from[v] * factor;
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < R; ++r) {
    T* c = p.c + (row + r) * p.c_row + column;
    if (count >= V * W) {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) store_block<W>(c + v * W, sums[r][v], p.how);
    } else {
      for (int v = 0; v < V && v * W < count; ++v)
        store_channels<W>(c + v * W, sums[r][v], count - v * W, p.how);
    }
  }
}

/// A tile of `rows` rows, at most R: as high as it must be, since two tiles of few rows take
/// longer.
template <class T, int R>
void product_rest(const Product<T>& p, Index row, Index rows, Index column, Index count) {
  if constexpr (R > 0) {
    if (rows == R)
      product_tile<T, R, matrix_registers, lanes<T>>(p, row, column, count);
    else
      product_rest<T, R - 1>(p, row, rows, column, count);
  }
}

/// All rows of one tile of columns. Rows of b have matrix_columns elements, even where `count` is
/// smaller.
template <class T>
[[gnu::noinline]] void product_panel(const Product<T>& p, Index rows, Index column, Index count) {
  Index row = 0;
  for (; row + matrix_rows <= rows; row += matrix_rows)
    product_tile<T, matrix_rows, matrix_registers, lanes<T>>(p, row, column, count);
  product_rest<T, matrix_rows - 1>(p, row, rows - row, column, count);
}

/// The whole product. Rows of b are readable up to a multiple of matrix_columns.
template <class T>
void multiply(const Product<T>& p, Index rows, Index columns) {
  for (Index column = 0; column < columns; column += matrix_columns<T>)
    product_panel(p, rows, column, columns - column);
}

/// Columns [first, last) of a product with few rows and a b that is not packed: as wide as the
/// register file allows.
template <class T>
void product_of_few_rows(const Product<T>& p, Index rows, Index first, Index last) {
  constexpr int wide = 8, W = lanes<T>;
  for (Index row = 0; row < rows; ++row) {
    Index column = first;
    for (; column + wide * W <= last; column += wide * W)
      product_tile<T, 1, wide, W>(p, row, column, wide * W);
    for (; column < last; column += matrix_columns<T>)
      if (last - column >= matrix_columns<T>)
        product_tile<T, 1, matrix_registers, W>(p, row, column, last - column);
      else
        product_tile<T, 1, matrix_registers, W, true>(p, row, column, last - column);
  }
}

}  // namespace retrace::inline RETRACE_ISA::cpu
