// The mean and variance of every channel: tiles about their own means, merged in double.
#pragma once

#include "channel_sums.cuh"

namespace retrace::kernels {

/// Mean and sum of squared deviations of a set. Two of them can be merged (Chan et al. 1979).
struct Moments {
  double count = 0, mean = 0, squares = 0;

  __device__ void merge(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count, distance = other.mean - mean;
    mean += distance * other.count / total;
    squares += other.squares + distance * distance * count * other.count / total;
    count = total;
  }
};

/// First stage: partial[block][k][channel] of (count, mean, squares), k = 0, 1, 2.
template <class T, int V>
__global__ void __launch_bounds__(block_threads)
    moments_kernel(Layout layout, Pixels<const T> x, double* partial) {
  constexpr int tile = 8;
  const Place place(layout);
  const int channel = place.group * V;
  Moments all[V];
  if (!place.idle) {
    const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * layout.lanes();
    std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * layout.lanes() + place.lane;
    while (pixel < layout.pixels) {
      Pack<T, V> values[tile];
      int count = 0;
      for (int k = 0; k < tile; ++k)  // fully unrolled to keep values in registers
        if (pixel < layout.pixels) {
          values[k] = at<V>(x, pixel, channel);
          pixel += step;
          ++count;
        }
      for (int i = 0; i < V; ++i) {
        T sum = 0, squares = 0;
        for (int k = 0; k < tile; ++k)
          if (k < count) sum += values[k].v[i];
        const T mean = sum / static_cast<T>(count);
        for (int k = 0; k < tile; ++k)
          if (k < count) squares += (values[k].v[i] - mean) * (values[k].v[i] - mean);
        all[i].merge(
            {static_cast<double>(count), static_cast<double>(mean), static_cast<double>(squares)});
      }
    }
  }
  const auto shared = gpu::shared<Moments, block_threads, 1>();
  const int thread = static_cast<int>(threadIdx.x);
  const std::int64_t channels = static_cast<std::int64_t>(layout.groups) * V;
  for (int i = 0; i < V; ++i) {
    shared[thread] = all[i];
    __syncthreads();
    for (int rows = layout.lanes(); rows > 1;) {
      const int half = (rows + 1) / 2;
      if (place.lane < rows - half) {
        Moments merged = shared[thread];
        merged.merge(shared[thread + half * layout.columns()]);
        shared[thread] = merged;
      }
      __syncthreads();
      rows = half;
    }
    if (place.lane == 0 && !place.idle) {
      const Moments merged = shared[thread];
      double* to = partial + static_cast<std::int64_t>(blockIdx.x) * 3 * channels + channel + i;
      gpu::store(to, merged.count);
      gpu::store(to + channels, merged.mean);
      gpu::store(to + 2 * channels, merged.squares);
    }
    __syncthreads();
  }
}

}  // namespace retrace::kernels
