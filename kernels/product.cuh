// A product of two matrices whose elements are computed as they are read.
#pragma once

#include "context.hpp"
#include "pack.cuh"

namespace retrace::kernels {

/// Each block computes a tile of `side` x `side` elements, and each thread 4 x 4 of them. Shared
/// memory holds `depth` terms of their sums at a time.
struct Tile {
  static constexpr int side = 64, depth = 8, threads = 256, each = 4;
};

/// Computes C(m, n) = Σₖ A(m, k)·B(k, n) for m < rows, n < columns and k < terms. The terms are cut
/// into slices of length `slice`; the blocks of one slice add its terms in order.
///
/// The operands define the elements: a(m) and b(n) return a cursor over k, whose get(k) returns the
/// element. `k_first` is true if neighbours in k are neighbours in memory. store(slice, m, n, sum)
/// stores the result.
template <class T, class Operands>
__global__ void __launch_bounds__(Tile::threads)
    product_kernel(Operands operands, std::int64_t rows, int columns, std::int64_t terms,
                   std::int64_t slice) {
  constexpr int side = Tile::side, depth = Tile::depth, each = Tile::each, pitch = side + each;
  const auto a = gpu::shared<T, depth * pitch, 4>();
  const auto b = gpu::shared<T, depth * pitch, 5>();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t first_row = static_cast<std::int64_t>(blockIdx.x) * side;
  const int first_column = static_cast<int>(blockIdx.y) * side;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.z) * slice;
  const std::int64_t end = begin + slice < terms ? begin + slice : terms;

  // The two elements of A and of B that a thread loads in every step.
  constexpr bool a_by_k = Operands::a_k_first, b_by_k = Operands::b_k_first;
  const int a_k = a_by_k ? thread % depth : thread / side;
  const int a_m = a_by_k ? thread / depth : thread % side;
  const int b_k = b_by_k ? thread % depth : thread / side;
  const int b_n = b_by_k ? thread / depth : thread % side;
  constexpr int a_m_step = a_by_k ? side / 2 : 0, a_k_step = a_by_k ? 0 : depth / 2;
  constexpr int b_n_step = b_by_k ? side / 2 : 0, b_k_step = b_by_k ? 0 : depth / 2;
  const auto a_first = operands.a(first_row + a_m, rows);
  const auto a_second = operands.a(first_row + a_m + a_m_step, rows);
  const auto b_first = operands.b(first_column + b_n, columns);
  const auto b_second = operands.b(first_column + b_n + b_n_step, columns);

  const int row = thread / (side / each) * each, column = thread % (side / each) * each;
  T sums[each][each] = {};
  for (std::int64_t k = begin; k < end; k += depth) {
    const auto fetch = [&](const auto& cursor, std::int64_t term) {
      return term < end ? cursor.get(term) : T(0);
    };
    a[a_k * pitch + a_m] = fetch(a_first, k + a_k);
    a[(a_k + a_k_step) * pitch + a_m + a_m_step] = fetch(a_second, k + a_k + a_k_step);
    b[b_k * pitch + b_n] = fetch(b_first, k + b_k);
    b[(b_k + b_k_step) * pitch + b_n + b_n_step] = fetch(b_second, k + b_k + b_k_step);
    __syncthreads();
    for (int i = 0; i < depth; ++i) {
      T left[each], right[each];
      for (int j = 0; j < each; ++j) {
        left[j] = a[i * pitch + row + j];
        right[j] = b[i * pitch + column + j];
      }
      for (int m = 0; m < each; ++m)
        for (int n = 0; n < each; ++n) sums[m][n] += left[m] * right[n];
    }
    __syncthreads();
  }
  for (int m = 0; m < each; ++m)
    for (int n = 0; n < each; ++n)
      if (first_row + row + m < rows && first_column + column + n < columns)
        operands.store(static_cast<int>(blockIdx.z), first_row + row + m, first_column + column + n,
                       sums[m][n]);
}

template <class T, class Operands>
void product(Context& on, const char* name, const Operands& operands, std::int64_t rows,
             std::int64_t columns, std::int64_t terms, std::int64_t slices) {
  if (rows == 0 || columns == 0) return;
  const auto tiles = [](std::int64_t extent) {
    return static_cast<unsigned>((extent + Tile::side - 1) / Tile::side);
  };
  const std::int64_t slice = terms == 0 ? 1 : (terms + slices - 1) / slices;
  gpu::launch(product_kernel<T, Operands>,
              {dim3(tiles(rows), tiles(columns), static_cast<unsigned>(slices)),
               dim3(Tile::threads), on.stream(), name},
              operands, rows, static_cast<int>(columns), terms, slice);
  check_launch(name);
}

}  // namespace retrace::kernels
