// Rounding to a narrow state and widening it again, on the host.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/math/bfloat16.hpp"
#include "retrace/math/fixed_point.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes q =, += or −= round(x/step), with `step` a power of two. Returns the counts of values
/// that did not fit.
/// @throws ShapeError unless the shapes agree.
template <class E, class T>
math::RoundingCounts<Index> store_rounded(View<E, Cpu> q, View<T, Cpu> x, double step, Store how) {
  require_same_shape("store_rounded", "q", q.shape(), "x", x.shape());
  const Index channels = q.shape().c;
  const auto scale = static_cast<std::remove_const_t<T>>(1 / step);
  std::atomic<Index> overflows = 0, nonfinite = 0;
  q.device().parallel(
      q.shape().pixels(), sweep_work<E>(q.shape(), 2), [&](Index first, Index last, int) {
        math::RoundingCounts<Index> counts;
        for (Index pixel = first; pixel < last; ++pixel) {
          math::RoundingCounts<std::int32_t> row;
          for (Index c = 0; c < channels; ++c)
            math::store_rounded(q.pixel(pixel)[c], x.pixel(pixel)[c], scale, how, row);
          counts.overflows += row.overflows;
          counts.nonfinite += row.nonfinite;
        }
        overflows += counts.overflows;
        nonfinite += counts.nonfinite;
      });
  return {overflows, nonfinite};
}

/// Computes x = q·step.
/// @throws ShapeError unless the shapes agree.
template <class T, class E>
void widen(View<T, Cpu> x, View<E, Cpu> q, double step) {
  require_same_shape("widen", "x", x.shape(), "q", q.shape());
  const Index channels = x.shape().c;
  const T factor = static_cast<T>(step);
  cpu::for_each_pixel(
      x,
      [=](T* out, E* in) {
        for (Index c = 0; c < channels; ++c) out[c] = math::widened(in[c], factor);
      },
      q);
}

/// Copies elements without vector support as the integers that they are stored in.
inline void copy(View<math::Bfloat16, Cpu> to, View<const math::Bfloat16, Cpu> from) {
  using Word = std::uint16_t;
  copy(View<Word, Cpu>(to.device(), reinterpret_cast<Word*>(to.data()), to.shape(), to.pitch()),
       View<const Word, Cpu>(from.device(), reinterpret_cast<const Word*>(from.data()),
                             from.shape(), from.pitch()));
}

/// Returns the largest |x|, or 0 if x is empty.
template <class T>
double largest_magnitude(View<T, Cpu> x) {
  const Index channels = x.shape().c;
  cpu::ThreadRows<double> largest(x.device(), 1);
  largest.clear();
  x.device().parallel(x.shape().pixels(), sweep_work<T>(x.shape(), 1),
                      [&](Index first, Index last, int thread) {
                        double& most = *largest.row(thread);
                        for (Index pixel = first; pixel < last; ++pixel)
                          for (Index c = 0; c < channels; ++c)
                            most = std::max(most, std::abs(static_cast<double>(x.pixel(pixel)[c])));
                      });
  double most = 0;
  if (x.device().dry()) return most;
  for (Index thread = 0; thread < largest.count(); ++thread)
    most = std::max(most, *largest.row(thread));
  return most;
}

}  // namespace retrace::inline RETRACE_ISA
