// Two results for a whole tensor: reduced per block by a kernel, then in block order on the host.
#pragma once

#include <algorithm>
#include <vector>

#include "channel_sums.cuh"

namespace retrace::kernels {

/// How two partial results are combined.
enum class Combine { sum, maximum };

__device__ inline double combined(Combine how, double a, double b) {
  return how == Combine::sum ? a + b : a > b ? a : b;
}

/// Computes pairs[block] = the results of body(pixel, channel, first, second) over the block's
/// pixels.
template <class Body>
__global__ void __launch_bounds__(block_threads)
    reduce_kernel(Layout layout, Body body, double* pairs) {
  const int columns = layout.columns(), lanes = layout.lanes();
  const int thread = static_cast<int>(threadIdx.x);
  const int column = thread % columns, lane = thread / columns;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * lanes;
  double first = 0, second = 0;
  if (lane < lanes)
    for (int group = column; group < layout.groups; group += columns)
      for (std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * lanes + lane;
           pixel < layout.pixels; pixel += step)
        body(pixel, group * Body::width, first, second);
  const auto firsts = gpu::shared<double, block_threads, 2>();
  const auto seconds = gpu::shared<double, block_threads, 3>();
  firsts[thread] = first;
  seconds[thread] = second;
  __syncthreads();
  for (int half = block_threads / 2; half > 0; half /= 2) {
    if (thread < half) {
      firsts[thread] = combined(Body::combine, firsts[thread], firsts[thread + half]);
      seconds[thread] = combined(Body::combine, seconds[thread], seconds[thread + half]);
    }
    __syncthreads();
  }
  if (thread == 0) {
    gpu::store(pairs + 2 * blockIdx.x, static_cast<double>(firsts[0]));
    gpu::store(pairs + 2 * blockIdx.x + 1, static_cast<double>(seconds[0]));
  }
}

/// Computes one pair per block, in the scratch.
template <class Body>
void reduce_blocks(Context& on, const char* name, const Body& body, std::int64_t pixels,
                   std::int64_t channels, double* scratch) {
  if (pixels == 0 || channels == 0) return;
  const Layout layout{pixels, static_cast<int>(channels / Body::width)};
  gpu::launch(reduce_kernel<Body>,
              {dim3(static_cast<unsigned>(reducing_blocks(pixels))), dim3(block_threads),
               on.stream(), name},
              layout, body, scratch);
  check_launch(name);
}

/// Waits for reduce_blocks and combines its pairs.
template <Combine combine>
Pair reduced(Context& on, std::int64_t pixels, const double* scratch) {
  if (pixels == 0) return {};
  const auto blocks = static_cast<std::size_t>(reducing_blocks(pixels));
  std::vector<double> pairs(2 * blocks);
  download(on, pairs.data(), scratch, sizeof(double), sizeof(double), pairs.size());
  Pair all;
  for (std::size_t block = 0; block < blocks; ++block) {
    const double first = pairs[2 * block], second = pairs[2 * block + 1];
    all.first = combine == Combine::sum ? all.first + first : std::max(all.first, first);
    all.second = combine == Combine::sum ? all.second + second : std::max(all.second, second);
  }
  return all;
}

template <class Body>
Pair reduce(Context& on, const char* name, const Body& body, std::int64_t pixels,
            std::int64_t channels, double* scratch) {
  if (channels == 0) return {};
  reduce_blocks(on, name, body, pixels, channels, scratch);
  return reduced<Body::combine>(on, pixels, scratch);
}

}  // namespace retrace::kernels
