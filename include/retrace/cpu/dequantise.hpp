// Noise below one bin, and its removal, on the host.
#pragma once

#include <cmath>
#include <cstdint>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes x = (round(x·bins) + u)/bins of packed x, with u = (k + 1/2)/2¹⁵ uniform in (0, 1).
/// Element e draws k from word e % 4 of Philox block (e/4, step) under the key `seed`. In float, x
/// holds the integer and u exactly for up to 256 bins.
template <class T>
void add_bin_noise(View<T, Cpu> x, double bins, std::uint64_t seed, std::uint64_t step) {
  const Index size = x.shape().size();
  const T count = static_cast<T>(bins);
  x.device().parallel(
      (size + 3) / 4, sweep_work<T>(x.shape(), 4), [=](Index first, Index last, int) {
        for (Index block = first; block < last; ++block) {
          const auto number = static_cast<std::uint64_t>(block);
          const PhiloxCounter words =
              philox({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                      static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)},
                     philox_key(seed));
          for (Index e = 4 * block; e < std::min(size, 4 * block + 4); ++e) {
            const auto k = static_cast<T>(words[static_cast<std::size_t>(e % 4)] >> 17);
            x.data()[e] = (std::round(x.data()[e] * count) + (k + T(0.5)) / T(32768)) / count;
          }
        }
      });
}

/// Computes x = floor(x·bins)/bins: the integers that noise was added to.
template <class T>
void remove_bin_noise(View<T, Cpu> x, double bins) {
  const Index channels = x.shape().c;
  const T count = static_cast<T>(bins);
  cpu::for_each_pixel(x, [=](T* row) {
    for (Index c = 0; c < channels; ++c) row[c] = std::floor(row[c] * count) / count;
  });
}

/// Computes x = (round(x·bins) + min(u, 1 − 2⁻¹⁵))/bins.
template <class T>
void add_noise_of_bins(View<T, Cpu> x, ConstView<T, Cpu> u, double bins) {
  const Index channels = x.shape().c;
  const T count = static_cast<T>(bins), largest = 1 - T(1) / T(32768);
  cpu::for_each_pixel(
      x,
      [=](T* row, const T* noise) {
        for (Index c = 0; c < channels; ++c)
          row[c] = (std::round(row[c] * count) + std::min(noise[c], largest)) / count;
      },
      u);
}

}  // namespace retrace::inline RETRACE_ISA
