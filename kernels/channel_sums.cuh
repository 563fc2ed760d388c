// Per-channel sums over the pixels of a tensor, in two stages and a fixed order.
#pragma once

#include "walk.cuh"

namespace retrace::kernels {

/// The number of pixels that a thread adds up in T before it continues in double.
inline constexpr int tile_pixels = 16;

/// Adds up the rows of threads of a block pairwise; the first row gets the sum of all. Every thread
/// of the block must call it.
template <int Tag>
__device__ double sum_of_lanes(double value, const Layout& layout, const Place& place) {
  const auto values = gpu::shared<double, block_threads, Tag>();
  const int thread = static_cast<int>(threadIdx.x);
  values[thread] = place.idle ? 0 : value;
  __syncthreads();
  for (int rows = layout.lanes(); rows > 1;) {
    const int half = (rows + 1) / 2;
    if (place.lane < rows - half)
      values[thread] = values[thread] + values[thread + half * layout.columns()];
    __syncthreads();
    rows = half;
  }
  const double sum = values[thread];
  __syncthreads();
  return sum;
}

/// First stage: partial[block][k][channel] = Σ over the block's pixels of the k-th value, which
/// body(pixel, channel, constants, sums) adds to sums[k].
template <class Body>
__global__ void __launch_bounds__(block_threads)
    channel_sums_kernel(Layout layout, Body body, double* partial) {
  constexpr int width = Body::width, count = Body::count;
  const Place place(layout);
  double totals[count][width] = {};
  if (!place.idle) {
    const int channel = place.group * width;
    const auto constants = body.constants(channel);
    const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * layout.lanes();
    std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * layout.lanes() + place.lane;
    while (pixel < layout.pixels) {
      typename Body::Element sums[count][width] = {};
      for (int i = 0; i < tile_pixels && pixel < layout.pixels; ++i, pixel += step)
        body(pixel, channel, constants, sums);
      for (int k = 0; k < count; ++k)
        for (int i = 0; i < width; ++i) totals[k][i] += static_cast<double>(sums[k][i]);
    }
  }
  const std::int64_t channels = static_cast<std::int64_t>(layout.groups) * width;
  for (int k = 0; k < count; ++k)
    for (int i = 0; i < width; ++i) {
      const double sum = sum_of_lanes<0>(totals[k][i], layout, place);
      if (place.lane == 0 && !place.idle)
        gpu::store(partial + (static_cast<std::int64_t>(blockIdx.x) * count + k) * channels +
                       place.group * width + i,
                   sum);
    }
}

/// Second stage: sums[i] = Σ over the blocks of partial[block][i].
__global__ void __launch_bounds__(block_threads)
    add_blocks_kernel(const double* partial, int blocks, std::int64_t length, double* sums);

void add_blocks(Context& on, const double* partial, std::int64_t blocks, std::int64_t length,
                double* sums);

/// Runs both stages; sums is [Body::count, channels].
template <class Body>
void channel_sums(Context& on, const char* name, const Body& body, std::int64_t pixels,
                  std::int64_t channels, double* sums, double* scratch) {
  if (channels == 0) return;
  const Layout layout{pixels, static_cast<int>(channels / Body::width)};
  const std::int64_t blocks = reducing_blocks(pixels);
  gpu::launch(channel_sums_kernel<Body>,
              {dim3(static_cast<unsigned>(blocks), static_cast<unsigned>(layout.column_blocks())),
               dim3(block_threads), on.stream(), name},
              layout, body, scratch);
  check_launch(name);
  add_blocks(on, scratch, blocks, Body::count * channels, sums);
}

}  // namespace retrace::kernels
