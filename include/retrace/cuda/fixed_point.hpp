// Rounding to a narrow state and widening it again, and errors of reconstructions, on a GPU.
#pragma once

#include "retrace/cuda/elementwise.hpp"
#include "retrace/math/fixed_point.hpp"
#include "retrace/math/signal_noise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cuda {

/// Returns the work of a pass over elements of two types.
template <class A, class B>
Work pass_of_both(Shape shape, double times_a, double times_b) {
  Work work = sweep_work<A>(shape, times_a);
  work.bytes += sweep_work<B>(shape, times_b).bytes;
  return work;
}

}  // namespace cuda

/// Computes q =, += or −= round(x/step), with `step` a power of two. Waits, because it returns the
/// counts of values that did not fit.
/// @throws ShapeError unless the shapes agree.
template <math::FixedPoint E, class T>
math::RoundingCounts<Index> store_rounded(View<E, Cuda> q, View<T, Cuda> x, double step,
                                          Store how) {
  using U = std::remove_const_t<T>;
  require_same_shape("store_rounded", "q", q.shape(), "x", x.shape());
  auto scratch = cuda::scratch(x.device(), kernels::pair_scratch);
  kernels::Pair counts;
  const Work work = cuda::pass_of_both<E, U>(q.shape(), how == Store::set ? 1 : 2, 1);
  q.device().run(work, [&](kernels::Context& on) {
    counts = kernels::store_rounded<E, U>(on, cuda::pixels(q), cuda::pixels(x),
                                          static_cast<U>(1 / step), how, scratch.data());
  });
  return {static_cast<Index>(counts.first), static_cast<Index>(counts.second)};
}

/// Computes x = q·step.
/// @throws ShapeError unless the shapes agree.
template <class T, class E>
requires math::FixedPoint<std::remove_const_t<E>>
void widen(View<T, Cuda> x, View<E, Cuda> q, double step) {
  require_same_shape("widen", "x", x.shape(), "q", q.shape());
  x.device().run(cuda::pass_of_both<T, E>(x.shape(), 1, 1), [&](kernels::Context& on) {
    kernels::widen<T, std::remove_const_t<E>>(on, cuda::pixels(x), cuda::pixels(q),
                                              static_cast<T>(step));
  });
}

/// Returns the largest |x|, or 0 if x is empty.
template <class T>
double largest_magnitude(View<T, Cuda> x) {
  auto scratch = cuda::scratch(x.device(), kernels::pair_scratch);
  double largest = 0;
  x.device().run(sweep_work<T>(x.shape(), 1), [&](kernels::Context& on) {
    largest =
        kernels::largest_magnitude<std::remove_const_t<T>>(on, cuda::pixels(x), scratch.data());
  });
  return largest;
}

/// Returns signal and noise of x compared with `truth`, summed in double. Returns zeros on a dry
/// device.
/// @throws ShapeError unless the shapes agree.
template <class T>
math::SignalNoise signal_noise(View<T, Cuda> truth, ConstView<T, Cuda> x) {
  require_same_shape("signal_noise", "truth", truth.shape(), "x", x.shape());
  auto scratch = cuda::scratch(x.device(), kernels::pair_scratch);
  kernels::Pair sums;
  x.device().run(sweep_work<T>(x.shape(), 2), [&](kernels::Context& on) {
    sums = kernels::signal_noise<std::remove_const_t<T>>(on, cuda::pixels(truth), cuda::pixels(x),
                                                         scratch.data());
  });
  return {sums.first, sums.second};
}

/// Copies a sample: sample[k] = x at the k-th scattered place. Both are packed.
template <class T>
void take_sample(View<T, Cuda> sample, ConstView<T, Cuda> x) {
  x.device().run({}, [&](kernels::Context& on) {
    kernels::take_sample<T>(on, cuda::pixels(sample), cuda::pixels(x));
  });
}

/// Returns signal and noise of x compared with a sample of the original. Returns zeros on a dry
/// device.
template <class T>
math::SignalNoise sample_noise(View<const T, Cuda> sample, ConstView<T, Cuda> x) {
  Tensor<T, Cuda> found(x.device(), sample.shape(), Use::workspace);
  take_sample(found.view(), x);
  return signal_noise(sample, found.view());
}

}  // namespace retrace::inline RETRACE_ISA
