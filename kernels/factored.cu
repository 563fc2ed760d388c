// The factored second moment of Adafactor.
#include <cmath>

#include "launches.cuh"

namespace retrace::kernels {

inline constexpr int warp_lanes = 32, rows_of_block = 4;

/// A packed gradient matrix [rows, columns], and the moving averages of its squares.
template <class T>
struct Factored {
  T *gradient, *row, *column;
  std::int64_t rows, columns;
  double beta, epsilon;

  __device__ double square(std::int64_t i, std::int64_t j) const {
    const double value = static_cast<double>(gpu::load(gradient + i * columns + j));
    return value * value;
  }
  __device__ void blend(T* average, double mean) const {
    const double before = static_cast<double>(gpu::load(average));
    gpu::store(average, static_cast<T>(beta * before + (1 - beta) * (mean + epsilon)));
  }
};

/// Averages the rows, one warp per row.
template <class T>
__global__ void __launch_bounds__(warp_lanes* rows_of_block) row_averages_kernel(Factored<T> of) {
  const std::int64_t i =
      static_cast<std::int64_t>(blockIdx.x) * rows_of_block + threadIdx.x / warp_lanes;
  if (i >= of.rows) return;  // whole warps exit together
  const int lane = static_cast<int>(threadIdx.x) % warp_lanes;
  double sum = 0;
  for (std::int64_t j = lane; j < of.columns; j += warp_lanes) sum += of.square(i, j);
  for (int distance = warp_lanes / 2; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffu, sum, distance);
  if (lane == 0) of.blend(of.row + i, sum / static_cast<double>(of.columns));
}

/// Averages the columns, one thread per column.
template <class T>
__global__ void __launch_bounds__(block_threads) column_averages_kernel(Factored<T> of) {
  const std::int64_t j = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (j >= of.columns) return;
  double sum = 0;
  for (std::int64_t i = 0; i < of.rows; ++i) sum += of.square(i, j);
  of.blend(of.column + j, sum / static_cast<double>(of.rows));
}

/// Computes the mean of the row averages in one block.
template <class T>
__global__ void __launch_bounds__(block_threads) mean_of_rows_kernel(Factored<T> of, double* mean) {
  const int thread = static_cast<int>(threadIdx.x);
  double sum = 0;
  for (std::int64_t i = thread; i < of.rows; i += block_threads)
    sum += static_cast<double>(gpu::load(of.row + i));
  const auto sums = gpu::shared<double, block_threads, 4>();
  sums[thread] = sum;
  __syncthreads();
  for (int half = block_threads / 2; half > 0; half /= 2) {
    if (thread < half) sums[thread] = sums[thread] + sums[thread + half];
    __syncthreads();
  }
  if (thread == 0) gpu::store(mean, static_cast<double>(sums[0]) / static_cast<double>(of.rows));
}

/// Scales the gradient, one thread per element.
template <class T>
__global__ void __launch_bounds__(block_threads) factor_kernel(Factored<T> of, const double* mean) {
  const std::int64_t e = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (e >= of.rows * of.columns) return;
  const double row = static_cast<double>(gpu::load(of.row + e / of.columns));
  const double column = static_cast<double>(gpu::load(of.column + e % of.columns));
  const double value = static_cast<double>(gpu::load(of.gradient + e));
  gpu::store(of.gradient + e, static_cast<T>(value / sqrt(row * column / gpu::load(mean))));
}

template <class T>
void factor_gradient(Context& on, T* gradient, std::int64_t rows, std::int64_t columns, T* row,
                     T* column, double beta, double epsilon, double* mean) {
  if (rows == 0 || columns == 0) return;
  const Factored<T> of{gradient, row, column, rows, columns, beta, epsilon};
  gpu::launch(row_averages_kernel<T>,
              {dim3(static_cast<unsigned>((rows + rows_of_block - 1) / rows_of_block)),
               dim3(warp_lanes * rows_of_block), on.stream(), "factor_gradient"},
              of);
  gpu::launch(column_averages_kernel<T>, for_each(on, columns, "factor_gradient"), of);
  gpu::launch(mean_of_rows_kernel<T>,
              {dim3(1), dim3(block_threads), on.stream(), "factor_gradient"}, of, mean);
  gpu::launch(factor_kernel<T>, for_each(on, rows * columns, "factor_gradient"), of, mean);
  check_launch("factor_gradient");
}

template void factor_gradient<float>(Context&, float*, std::int64_t, std::int64_t, float*, float*,
                                     double, double, double*);
template void factor_gradient<double>(Context&, double*, std::int64_t, std::int64_t, double*,
                                      double*, double, double, double*);

}  // namespace retrace::kernels
