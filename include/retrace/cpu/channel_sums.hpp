// Per-channel reductions on the host: tiles in the element type, tiles together in double.
#pragma once

#include <array>

#include "retrace/core/error.hpp"
#include "retrace/cpu/cpu.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// One row of values a thread, unset, far enough apart that threads do not share cache lines.
template <class R>
class ThreadRows {
 public:
  ThreadRows(Cpu& device, Index length)
      : length_((length + 15) / 16 * 16),
        rows_(device, {1, 1, device.threads(), length_}, Use::workspace) {}
  void clear() { fill(rows_.view(), R{}); }
  R* row(int thread) { return rows_.data() + thread * length_; }

 private:
  Index length_;
  Tensor<R, Cpu> rows_;
};

/// sums[k·C + c] = Σ over pixels of the k-th of N values at channel c.
/// tile.operator()<W>(first, last, channel) gives the N sums over pixels [first, last) for W
/// channels. The order of summation depends on the number of threads alone.
template <class T, int N, class Tile>
void channel_sums(View<double, Cpu> sums, Shape shape, Work work, Tile tile) {
  Cpu& device = sums.device();
  const Index channels = shape.c;
  ThreadRows<double> partial(device, N * channels);
  partial.clear();
  device.parallel(shape.pixels(), work, [&](Index begin, Index end, int thread) {
    double* row = partial.row(thread);
    for_each_tile(begin, end, tile_pixels<T>(channels), [&](Index first, Index last) {
      for_each_block<T>(channels, [&]<int W>(Index channel) {
        const std::array<Block<T, W>, N> block = tile.template operator()<W>(first, last, channel);
        for (int k = 0; k < N; ++k) {
          std::array<T, W> values;
          std::memcpy(values.data(), &block[static_cast<std::size_t>(k)], sizeof values);
          for (int i = 0; i < W; ++i)
            row[k * channels + channel + i] +=
                static_cast<double>(values[static_cast<std::size_t>(i)]);
        }
      });
    });
  });
  device.parallel(N * channels, {}, [&](Index begin, Index end, int) {
    for (Index i = begin; i < end; ++i) {
      sums.data()[i] = 0;
      for (int thread = 0; thread < device.threads(); ++thread)
        sums.data()[i] += partial.row(thread)[i];
    }
  });
}

/// Mean and sum of squared distances of a set, which merges with another's (Chan et al. 1979).
struct Moments {
  double count = 0, mean = 0, squares = 0;

  void merge(const Moments& other) {
    if (other.count == 0) return;
    const double total = count + other.count, distance = other.mean - mean;
    mean += distance * other.count / total;
    squares += other.squares + distance * distance * count * other.count / total;
    count = total;
  }
};

}  // namespace cpu

/// The mean and the biased variance of every channel of x over its pixels. Each tile is summed
/// about its own mean and tiles are merged in double, since Σx² − m·μ² cancels.
/// @pre mean and variance hold one value per channel, and x has a pixel.
template <class T>
void channel_moments(View<T, Cpu> x, View<double, Cpu> mean, View<double, Cpu> variance) {
  using cpu::Moments, cpu::Block;
  using Element = std::remove_const_t<T>;
  Cpu& device = x.device();
  const Index channels = x.shape().c;
  cpu::ThreadRows<Moments> partial(device, channels);
  partial.clear();

  device.parallel(
      x.shape().pixels(), cpu::pass<T>(x.shape(), 1), [&](Index begin, Index end, int thread) {
        cpu::for_each_tile(begin, end, cpu::tile_pixels<T>(channels), [&](Index first, Index last) {
          const Element count = static_cast<Element>(last - first);
          cpu::for_each_block<Element>(channels, [&]<int W>(Index channel) {
            Block<Element, W> sum{}, squares{};
            for (Index p = first; p < last; ++p) sum += cpu::load<W>(x.pixel(p) + channel);
            const Block<Element, W> centre = sum / count;
            for (Index p = first; p < last; ++p) {
              const Block<Element, W> distance = cpu::load<W>(x.pixel(p) + channel) - centre;
              squares += distance * distance;
            }
            std::array<Element, W> means, sums;
            std::memcpy(means.data(), &centre, sizeof means);
            std::memcpy(sums.data(), &squares, sizeof sums);
            for (std::size_t i = 0; i < W; ++i)
              partial.row(thread)[channel + static_cast<Index>(i)].merge(
                  {static_cast<double>(count), static_cast<double>(means[i]),
                   static_cast<double>(sums[i])});
          });
        });
      });
  device.parallel(channels, {}, [&](Index begin, Index end, int) {
    for (Index c = begin; c < end; ++c) {
      Moments all;
      for (int thread = 0; thread < device.threads(); ++thread) all.merge(partial.row(thread)[c]);
      mean.data()[c] = all.mean;
      variance.data()[c] = all.squares / all.count;
    }
  });
}

}  // namespace retrace::inline RETRACE_ISA
