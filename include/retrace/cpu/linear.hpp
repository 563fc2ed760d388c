// The bias of a fully connected layer; the rest is a matrix product.
#pragma once

#include "retrace/cpu/channel_sums.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes x[pixel] += or −= bias, [C], at every pixel.
template <class T>
void add_to_pixels(View<T, Cpu> x, ConstView<T, Cpu> bias, Store how = Store::add) {
  const auto timed = x.device().timed(Operation::movement);
  const Index channels = x.shape().c;
  const T sign = how == Store::subtract ? T(-1) : T(1);
  cpu::for_each_pixel(x, [=](T* row) {
    for (Index c = 0; c < channels; ++c) row[c] += sign * bias.data()[c];
  });
}

/// Computes sums, [C], += Σ over the pixels of x.
template <class T>
void add_pixel_sums(View<T, Cpu> sums, ConstView<T, Cpu> x) {
  const Index channels = x.shape().c;
  Tensor<double, Cpu> totals(x.device(), per_channel(channels), Use::workspace);
  cpu::channel_sums<T, 1>(totals.view(), x.shape(), 1,
                          [&]<int W>(Index first, Index last, Index channel) {
                            std::array<cpu::Block<T, W>, 1> sum{};
                            for (Index p = first; p < last; ++p)
                              sum[0] += cpu::load<W>(x.pixel(p) + channel);
                            return sum;
                          });
  const View<const double, Cpu> from = totals.view();
  sums.device().parallel(channels, {}, [=](Index first, Index last, int) {
    for (Index c = first; c < last; ++c) sums.data()[c] += static_cast<T>(from.data()[c]);
  });
}

}  // namespace retrace::inline RETRACE_ISA
