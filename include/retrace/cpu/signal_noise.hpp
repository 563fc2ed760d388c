// Signal and noise of reconstructions on the host: of all elements, or of a sample.
#pragma once

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/math/signal_noise.hpp"

namespace retrace::inline RETRACE_ISA {

/// Returns signal and noise of x compared with `truth`, summed in double. Returns zeros on a dry
/// device.
/// @throws ShapeError unless the shapes agree.
template <class T>
math::SignalNoise signal_noise(View<T, Cpu> truth, ConstView<T, Cpu> x) {
  require_same_shape("signal_noise", "truth", truth.shape(), "x", x.shape());
  Cpu& device = x.device();
  const Index channels = x.shape().c;
  cpu::ShareRows<math::SignalNoise> partial(device, 1);
  partial.clear();
  device.parallel_shares(device.shares(), x.shape().pixels(), sweep_work<T>(x.shape(), 2),
                         [&](Index first, Index last, int, Index share) {
                           math::SignalNoise& sums = *partial.row(share);
                           for (Index pixel = first; pixel < last; ++pixel)
                             for (Index c = 0; c < channels; ++c)
                               sums.add(static_cast<double>(truth.pixel(pixel)[c]),
                                        static_cast<double>(x.pixel(pixel)[c]));
                         });
  math::SignalNoise total;
  if (device.dry()) return total;
  for (Index share = 0; share < partial.count(); ++share) total += *partial.row(share);
  return total;
}

/// Copies a sample: sample[k] = x at the k-th scattered place. Both are packed.
template <class T>
void take_sample(View<T, Cpu> sample, ConstView<T, Cpu> x) {
  if (x.device().dry()) return;
  for (Index k = 0; k < sample.shape().size(); ++k)
    sample.data()[k] = x.data()[math::scattered_place(k, x.shape().size())];
}

/// Returns signal and noise of x compared with a sample of the original. Returns zeros on a dry
/// device.
template <class T>
math::SignalNoise sample_noise(View<const T, Cpu> sample, ConstView<T, Cpu> x) {
  math::SignalNoise sums;
  if (x.device().dry()) return sums;
  for (Index k = 0; k < sample.shape().size(); ++k)
    sums.add(static_cast<double>(sample.data()[k]),
             static_cast<double>(x.data()[math::scattered_place(k, x.shape().size())]));
  return sums;
}

}  // namespace retrace::inline RETRACE_ISA
