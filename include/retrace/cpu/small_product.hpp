// Products of small matrices in the cache, on one thread.
#pragma once

#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// A matrix whose element (i, j) is data[i·row + j·column].
template <class T>
struct SmallMatrix {
  const T* data;
  Index row, column;
};

namespace detail {

/// R rows and V registers of the result.
template <int R, int V, class T>
void product_tile(Index inner, SmallMatrix<T> a, const T* b, Index b_row, T* c, Index c_row) {
  constexpr int w = lanes<T>;
  Block<T, w> sum[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) sum[r][v] = load<w>(c + r * c_row + v * w);
  for (Index p = 0; p < inner; ++p) {
    Block<T, w> of_b[V];
    for (int v = 0; v < V; ++v) of_b[v] = load<w>(b + p * b_row + v * w);
    for (int r = 0; r < R; ++r) {
      const T of_a = a.data[r * a.row + p * a.column];
      for (int v = 0; v < V; ++v) sum[r][v] += of_a * of_b[v];
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) save<w>(c + r * c_row + v * w, sum[r][v]);
}

template <int V, class T>
void product_rows(Index rows, Index inner, SmallMatrix<T> a, const T* b, Index b_row, T* c,
                  Index c_row) {
  Index i = 0;
  for (; i + 6 <= rows; i += 6)
    product_tile<6, V, T>(inner, {a.data + i * a.row, a.row, a.column}, b, b_row, c + i * c_row,
                          c_row);
  for (; i < rows; ++i)
    product_tile<1, V, T>(inner, {a.data + i * a.row, a.row, a.column}, b, b_row, c + i * c_row,
                          c_row);
}

}  // namespace detail

/// Computes C += A·B for A [rows, inner], B [inner, columns] and C [rows, columns], both with
/// packed columns. Sums are taken in the order of `inner`.
/// @pre columns is a multiple of lanes<T>
template <class T>
void add_small_product(Index rows, Index inner, Index columns, SmallMatrix<T> a, const T* b,
                       Index b_row, T* c, Index c_row) {
  constexpr Index w = lanes<T>;
  Index j = 0;
  for (; j + 2 * w <= columns; j += 2 * w)
    detail::product_rows<2, T>(rows, inner, a, b + j, b_row, c + j, c_row);
  for (; j < columns; j += w)
    detail::product_rows<1, T>(rows, inner, a, b + j, b_row, c + j, c_row);
}

/// Returns n rounded up to whole registers.
template <class T>
constexpr Index in_registers(Index n) {
  return (n + lanes<T> - 1) / lanes<T> * lanes<T>;
}

}  // namespace retrace::inline RETRACE_ISA::cpu
