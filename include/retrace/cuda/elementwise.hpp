// Filling, copying, adding and scaling on a GPU, on pitched views.
#pragma once

#include <span>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/core/store.hpp"
#include "retrace/cuda/cuda.hpp"

namespace retrace::inline RETRACE_ISA {

template <class T>
void fill(View<T, Cuda> x, std::type_identity_t<T> value) {
  x.device().run(sweep_work<T>(x.shape(), 1),
                 [&](kernels::Context& on) { kernels::fill<T>(on, cuda::pixels(x), value); });
}

/// @throws ShapeError unless the shapes agree.
template <class T>
void copy(View<T, Cuda> to, ConstView<T, Cuda> from) {
  require_same_shape("copy", "to", to.shape(), "from", from.shape());
  to.device().run(sweep_work<T>(to.shape(), 2), [&](kernels::Context& on) {
    kernels::copy<T>(on, cuda::pixels(to), cuda::pixels(from));
  });
}

/// Copies packed host values into a view, pixel by pixel.
template <class T>
void upload(View<T, Cuda> to, std::span<const std::type_identity_t<T>> values) {
  if (static_cast<Index>(values.size()) != to.shape().size())
    throw ShapeError("upload: there are " + std::to_string(values.size()) + " values but " +
                     to_string(to.shape()) + " has " + std::to_string(to.shape().size()) +
                     " elements");
  to.device().run(sweep_work<T>(to.shape(), 2), [&](kernels::Context& on) {
    kernels::upload(on, to.data(), static_cast<std::size_t>(to.pitch()) * sizeof(T), values.data(),
                    static_cast<std::size_t>(to.shape().c) * sizeof(T),
                    static_cast<std::size_t>(to.shape().pixels()));
  });
}

/// Waits for all earlier operations and copies a view's elements into packed host memory, pixel by
/// pixel.
template <class T>
void download(std::span<std::remove_const_t<T>> values, View<T, Cuda> from) {
  if (static_cast<Index>(values.size()) != from.shape().size())
    throw ShapeError("download: there are " + std::to_string(values.size()) + " values but " +
                     to_string(from.shape()) + " has " + std::to_string(from.shape().size()) +
                     " elements");
  from.device().run(sweep_work<T>(from.shape(), 2), [&](kernels::Context& on) {
    kernels::download(on, values.data(), from.data(),
                      static_cast<std::size_t>(from.pitch()) * sizeof(T),
                      static_cast<std::size_t>(from.shape().c) * sizeof(T),
                      static_cast<std::size_t>(from.shape().pixels()));
  });
}

/// Computes to += from or to -= from.
/// @throws ShapeError unless the shapes agree.
template <class T>
void add(View<T, Cuda> to, ConstView<T, Cuda> from, Store how = Store::add) {
  require_same_shape("add", "to", to.shape(), "from", from.shape());
  to.device().run(sweep_work<T>(to.shape(), 3), [&](kernels::Context& on) {
    kernels::add<T>(on, cuda::pixels(to), cuda::pixels(from), how);
  });
}

/// Returns whether x contains neither NaN nor infinity.
template <class T>
bool all_finite(View<T, Cuda> x) {
  auto scratch = cuda::scratch(x.device(), kernels::pair_scratch);
  double found = 0;
  x.device().run(sweep_work<T>(x.shape(), 1), [&](kernels::Context& on) {
    found = kernels::count_nonfinite<std::remove_const_t<T>>(on, cuda::pixels(x), scratch.data());
  });
  return found == 0;
}

/// Exchanges the two channel halves.
template <class T>
void swap_halves(View<T, Cuda> first, SameView<T, Cuda> second) {
  first.device().run(sweep_work<T>(first.shape(), 4), [&](kernels::Context& on) {
    kernels::swap<T>(on, cuda::pixels(first), cuda::pixels(second));
  });
}

/// Computes x = x·e(s) + t with e(s) = exp(bound·tanh s). `values` holds s and, if it has twice as
/// many channels as x, t after it. Otherwise t is 0.
template <class T>
void scale_and_shift(View<T, Cuda> x, ConstView<T, Cuda> values, double bound) {
  x.device().run(sweep_work<T>(x.shape(), 4), [&](kernels::Context& on) {
    kernels::scale_and_shift<T>(on, cuda::pixels(x), cuda::pixels(values), static_cast<T>(bound));
  });
}

/// Computes the inverse: y = (y − t)/e(s).
template <class T>
void unscale_and_unshift(View<T, Cuda> y, ConstView<T, Cuda> values, double bound) {
  y.device().run(sweep_work<T>(y.shape(), 4), [&](kernels::Context& on) {
    kernels::unscale_and_unshift<T>(on, cuda::pixels(y), cuda::pixels(values),
                                    static_cast<T>(bound));
  });
}

/// Replaces dy by dx = dy·e(s) and `values` by (dy·x·e′(s), dy), given the reconstructed x.
template <class T>
void scale_and_shift_backward(View<T, Cuda> dy, ConstView<T, Cuda> x, SameView<T, Cuda> values,
                              double bound) {
  dy.device().run(sweep_work<T>(dy.shape(), 6), [&](kernels::Context& on) {
    kernels::scale_and_shift_backward<T>(on, cuda::pixels(dy), cuda::pixels(x),
                                         cuda::pixels(values), static_cast<T>(bound));
  });
}

}  // namespace retrace::inline RETRACE_ISA
