// Launches of the library's own convolutions.
#include <algorithm>
#include <limits>
#include <stdexcept>

#include "launches.cuh"
#include "own_convolution.cuh"
#include "own_convolution.hpp"

namespace retrace::kernels {

namespace {

Window2d window_of(const Convolution& c) {
  if (c.n * std::max(c.x_h * c.x_w, c.y_h * c.y_w) > std::numeric_limits<int>::max())
    throw std::length_error("a convolution on a GPU must have at most 2^31 - 1 pixels");
  return {static_cast<int>(c.kernel), static_cast<int>(c.stride), static_cast<int>(c.x_h),
          static_cast<int>(c.x_w),    static_cast<int>(c.y_h),    static_cast<int>(c.y_w)};
}

template <class T>
Images<T> x_of(const Convolution& c, T* data) {
  return {data, c.n, c.x_h, c.x_w, c.inputs, c.x_pitch};
}
template <class T>
Images<T> y_of(const Convolution& c, T* data) {
  return {data, c.n, c.y_h, c.y_w, c.outputs, c.y_pitch};
}
std::int64_t weights_of(const Convolution& c) { return c.kernel * c.kernel * c.inputs; }

/// Returns the number of slices of the pixels for a weight gradient. It depends only on the shapes,
/// so sums have the same order on every GPU.
std::int64_t slices_of(std::int64_t pixels, std::int64_t weights, std::int64_t outputs) {
  const auto tiles = [](std::int64_t extent) { return (extent + Tile::side - 1) / Tile::side; };
  const std::int64_t wanted = 512 / std::max<std::int64_t>(tiles(weights) * tiles(outputs), 1);
  return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(pixels / 256, 1));
}

}  // namespace

/// Computes dw[i] += Σ over slices of partial[slice][i].
template <class T>
__global__ void __launch_bounds__(block_threads)
    add_slices_kernel(T* dw, const T* partial, int slices, std::int64_t length) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (i >= length) return;
  double sum = 0;
  for (int slice = 0; slice < slices; ++slice)
    sum += static_cast<double>(gpu::load(partial + slice * length + i));
  gpu::store(dw + i, gpu::load(dw + i) + static_cast<T>(sum));
}

namespace own {

template <class T>
std::int64_t scratch(const Convolution& c) {
  if (c.pass != ConvolutionPass::weight_gradient) return 0;
  return slices_of(c.n * c.y_h * c.y_w, weights_of(c), c.outputs) * weights_of(c) * c.outputs *
         static_cast<std::int64_t>(sizeof(T));
}

template <class T>
void convolve(Context& on, const Convolution& c, T* y, const T* x, const T* w,
              Prologue<T> prologue) {
  product<T>(on, "convolve",
             ForwardOperands<T>{y_of(c, y), x_of(c, x), w, window_of(c), prologue, c.how,
                                Rounding{on.convolution_type()}},
             c.n * c.y_h * c.y_w, c.outputs, weights_of(c), 1);
}

template <class T>
void convolve_gradient(Context& on, const Convolution& c, T* dx, const T* dy, const T* w) {
  product<T>(on, "convolve_gradient",
             InputGradientOperands<T>{x_of(c, dx), y_of(c, dy), w, window_of(c), c.how,
                                      Rounding{on.convolution_type()}},
             c.n * c.x_h * c.x_w, c.inputs, c.kernel * c.kernel * c.outputs, 1);
}

template <class T>
void convolve_weight_gradient(Context& on, const Convolution& c, T* dw, const T* x, const T* dy,
                              Prologue<T> prologue, T* partial) {
  const std::int64_t pixels = c.n * c.y_h * c.y_w, weights = weights_of(c);
  if (pixels == 0) return;
  const std::int64_t slices = slices_of(pixels, weights, c.outputs);
  product<T>(on, "convolve_weight_gradient",
             WeightGradientOperands<T>{partial, x_of(c, x), y_of(c, dy), window_of(c), prologue,
                                       Rounding{on.convolution_type()}},
             weights, c.outputs, pixels, slices);
  gpu::launch(add_slices_kernel<T>, for_each(on, weights * c.outputs, "add_slices"), dw, partial,
              static_cast<int>(slices), weights * c.outputs);
  check_launch("add_slices");
}

// clang-format off
#define RETRACE_CONVOLUTION(T)                                                                    \
  template std::int64_t scratch<T>(const Convolution&);                                           \
  template void convolve<T>(Context&, const Convolution&, T*, const T*, const T*, Prologue<T>);   \
  template void convolve_gradient<T>(Context&, const Convolution&, T*, const T*, const T*);       \
  template void convolve_weight_gradient<T>(Context&, const Convolution&, T*, const T*, const T*, \
                                            Prologue<T>, T*);
// clang-format on
RETRACE_CONVOLUTION(float)
RETRACE_CONVOLUTION(double)

}  // namespace own

}  // namespace retrace::kernels
