// A pass over the channels of every pixel, in packs.
#pragma once

#include "context.hpp"
#include "pack.cuh"

namespace retrace::kernels {

inline constexpr int block_threads = 256;

/// How threads cover [pixels, groups of V channels]. A thread keeps its group, whose coefficients
/// it reads once, and moves from pixel to pixel. Neighbouring threads have neighbouring groups.
struct Layout {
  std::int64_t pixels;
  int groups;

  /// columns() is the number of groups in a row of threads, lanes() the number of rows in a block.
  __host__ __device__ int columns() const {
    return groups < block_threads ? groups : block_threads;
  }
  __host__ __device__ int lanes() const { return block_threads / columns(); }
  __host__ __device__ int column_blocks() const { return (groups + columns() - 1) / columns(); }
};

/// The place of a thread in its layout.
struct Place {
  int group, lane;
  bool idle;  ///< true for threads that exceed the rows of a block

  __device__ explicit Place(const Layout& layout)
      : group(static_cast<int>(blockIdx.y) * layout.columns() +
              static_cast<int>(threadIdx.x) % layout.columns()),
        lane(static_cast<int>(threadIdx.x) / layout.columns()),
        idle(group >= layout.groups || lane >= layout.lanes()) {}
};

/// Calls body(pixel, channel, body.constants(channel)) for every group of channels of every pixel.
template <class Body>
__global__ void __launch_bounds__(block_threads) walk_kernel(Layout layout, Body body) {
  const Place place(layout);
  if (place.idle) return;
  const int channel = place.group * Body::width;
  const auto constants = body.constants(channel);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * layout.lanes();
  for (std::int64_t pixel = static_cast<std::int64_t>(blockIdx.x) * layout.lanes() + place.lane;
       pixel < layout.pixels; pixel += step)
    body(pixel, channel, constants);
}

/// The constants of a body that has none per channel.
struct NoConstants {};

/// Runs the kernel on [pixels, channels].
template <class Body>
void walk(Context& on, const char* name, const Body& body, std::int64_t pixels,
          std::int64_t channels) {
  if (pixels == 0 || channels == 0) return;
  const Layout layout{pixels, static_cast<int>(channels / Body::width)};
  constexpr std::int64_t pixels_a_thread = 4, most_blocks = 1 << 16;
  const std::int64_t blocks =
      (pixels + layout.lanes() * pixels_a_thread - 1) / (layout.lanes() * pixels_a_thread);
  gpu::launch(walk_kernel<Body>,
              {dim3(static_cast<unsigned>(blocks < most_blocks ? blocks : most_blocks),
                    static_cast<unsigned>(layout.column_blocks())),
               dim3(block_threads), on.stream(), name},
              layout, body);
  check_launch(name);
}

}  // namespace retrace::kernels
