// Poolings on a GPU: the permutations of Pc and Pb, the maximum and the mean.
#pragma once

#include <algorithm>
#include <cstdint>

#include "retrace/cuda/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cuda {

/// Permutes packed images through a copy of some of them: permute(on, images, copy).
template <class T, class Permute>
void permute_images(View<T, Cuda> x, Permute permute) {
  constexpr Index copied_bytes = 8 << 20;
  const Shape shape = x.shape();
  const Index image = shape.h * shape.w * shape.c * static_cast<Index>(sizeof(T));
  if (shape.n == 0 || image == 0) return;
  const Index at_once = std::clamp<Index>(copied_bytes / image, 1, shape.n);
  Tensor<T, Cuda> copied(x.device(), {at_once, shape.h, shape.w, shape.c}, Use::workspace);
  for (Index first = 0; first < shape.n; first += at_once) {
    const View<T, Cuda> some = x.images(first, std::min(at_once, shape.n - first));
    const View<T, Cuda> apart = copied.view().images(0, some.shape().n);
    copy(apart, some);
    x.device().run(sweep_work<T>(some.shape(), 2), [&](kernels::Context& on) {
      permute(on, images(some), static_cast<const T*>(apart.data()));
    });
  }
}

}  // namespace cuda

/// Space to depth; x is [N,H,W,C], packed.
template <class T>
void channel_pool(View<T, Cuda> x) {
  cuda::permute_images(x, kernels::channel_pool<T>);
}

/// Depth to space; x has the resulting shape [N,H,W,C], packed.
template <class T>
void channel_unpool(View<T, Cuda> x) {
  cuda::permute_images(x, kernels::channel_unpool<T>);
}

/// Space to batch within each image; x is [N,H,W,C], packed.
template <class T>
void batch_pool(View<T, Cuda> x) {
  cuda::permute_images(x, kernels::batch_pool<T>);
}

/// Batch to space; x has the resulting shape [N,H,W,C], packed.
template <class T>
void batch_unpool(View<T, Cuda> x) {
  cuda::permute_images(x, kernels::batch_unpool<T>);
}

/// Computes y = the maximum of each 2 x 2 window, and largest = the index, within the window, of
/// the first pixel that has it.
template <class T>
void max_pool(View<T, Cuda> y, View<std::uint8_t, Cuda> largest, ConstView<T, Cuda> x) {
  y.device().run(sweep_work<T>(y.shape(), 5), [&](kernels::Context& on) {
    kernels::max_pool<T>(on, cuda::images(y), cuda::pixels(largest), cuda::pixels(x));
  });
}

template <class T>
void max_pool_backward(View<T, Cuda> dx, ConstView<T, Cuda> dy,
                       View<const std::uint8_t, Cuda> largest) {
  dx.device().run(sweep_work<T>(dy.shape(), 5), [&](kernels::Context& on) {
    kernels::max_pool_backward<T>(on, cuda::pixels(dx), cuda::images(dy), cuda::pixels(largest));
  });
}

/// Computes y[n,c] = the mean over the pixels of the x.n/y.n images that belong to image n.
template <class T>
void global_average(View<T, Cuda> y, ConstView<T, Cuda> x) {
  y.device().run(sweep_work<T>(x.shape(), 1), [&](kernels::Context& on) {
    kernels::global_average<T>(on, cuda::pixels(y), cuda::pixels(x));
  });
}

template <class T>
void global_average_backward(View<T, Cuda> dx, ConstView<T, Cuda> dy) {
  dx.device().run(sweep_work<T>(dx.shape(), 1), [&](kernels::Context& on) {
    kernels::global_average_backward<T>(on, cuda::pixels(dx), cuda::pixels(dy));
  });
}

}  // namespace retrace::inline RETRACE_ISA
