// Per-channel reductions on the host: each tile in the element type, the sum of tiles in double.
#pragma once

#include <array>

#include "retrace/core/error.hpp"
#include "retrace/cpu/cpu.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Uninitialised rows of values, spaced so that threads do not share cache lines.
template <class R>
class Rows {
 public:
  Rows(Cpu& device, Index count, Index length)
      : length_((length + 15) / 16 * 16), rows_(device, {1, 1, count, length_}, Use::workspace) {}
  void clear() { fill(rows_.view(), R{}); }
  Index count() const { return rows_.shape().w; }
  R* row(Index at) { return rows_.data() + at * length_; }

 private:
  Index length_;
  Tensor<R, Cpu> rows_;
};

/// One row per thread: workspace for the pieces it computes.
template <class R>
struct ThreadRows : Rows<R> {
  ThreadRows(Cpu& device, Index length) : Rows<R>(device, device.threads(), length) {}
};

/// One row per share (Cpu::parallel_shares), for its sums.
template <class R>
struct ShareRows : Rows<R> {
  ShareRows(Cpu& device, Index length) : Rows<R>(device, device.shares(), length) {}
};

/// Reads pixels [first, last) of channels [channel, channel + count) of a tensor as soon as a
/// thread has computed them, while they are in its cache. They belong to one of the device's
/// shares().
class PixelReader {
 public:
  virtual void read(Index first, Index last, Index channel, Index count, Index share) = 0;

 protected:
  ~PixelReader() = default;
};

/// Reads all pixels of a tensor in a separate pass, which counts as reading it `times` times.
template <class T>
void read_all(PixelReader& reader, Cpu& device, Shape shape, double times = 1) {
  device.parallel_shares(device.shares(), shape.pixels(), sweep_work<T>(shape, times),
                         [&](Index begin, Index end, int, Index share) {
                           reader.read(begin, end, 0, shape.c, share);
                         });
}

/// Per-channel sums of N values: sums[k·C + c] = Σ over pixels of the k-th value.
/// `tile.operator()<W>(first, last, channel)` returns the N sums over pixels [first, last) for W
/// channels. A tile may cover only some of the channels. The order of summation depends only on the
/// shares that call read().
template <class T, int N, class Tile>
class ChannelSums final : public PixelReader {
 public:
  /// @param device  the device whose threads will read
  ChannelSums(Cpu& device, View<double, Cpu> sums, Index channels, Tile tile)
      : device_(device),
        sums_(sums),
        channels_(channels),
        tile_(tile),
        partial_(device, N * channels) {
    partial_.clear();
  }

  void read(Index begin, Index end, Index channel, Index count, Index share) override {
    double* row = partial_.row(share) + channel;
    for_each_tile(begin, end, tile_pixels<T>(count), [&](Index first, Index last) {
      for_each_block<T>(count, [&]<int W>(Index c) {
        const std::array<Block<T, W>, N> block =
            tile_.template operator()<W>(first, last, channel + c);
        for (int k = 0; k < N; ++k) {
          std::array<T, W> values;
          std::memcpy(values.data(), &block[static_cast<std::size_t>(k)], sizeof values);
          for (int i = 0; i < W; ++i)
            row[k * channels_ + c + i] += static_cast<double>(values[static_cast<std::size_t>(i)]);
        }
      });
    });
  }

  void finish() {
    device_.parallel(N * channels_, {}, [&](Index begin, Index end, int) {
      for (Index i = begin; i < end; ++i) {
        sums_.data()[i] = 0;
        for (Index share = 0; share < partial_.count(); ++share)
          sums_.data()[i] += partial_.row(share)[i];
      }
    });
  }

 private:
  Cpu& device_;
  View<double, Cpu> sums_;
  Index channels_;
  Tile tile_;
  ShareRows<double> partial_;
};

/// Computes ChannelSums in a separate pass, which reads `times` tensors of a shape.
template <class T, int N, class Tile>
void channel_sums(View<double, Cpu> sums, Shape shape, double times, Tile tile) {
  ChannelSums<T, N, Tile> all(sums.device(), sums, shape.c, tile);
  read_all<T>(all, sums.device(), shape, times);
  all.finish();
}

/// Mean and sum of squared deviations of a set. Two of them can be merged (Chan et al. 1979).
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

/// The mean and the biased variance of every channel of x. Each tile is summed about its own mean
/// and tiles are merged in double, because Σx² − m·μ² would cancel.
template <class T>
class ChannelMoments final : public PixelReader {
 public:
  explicit ChannelMoments(View<const T, Cpu> x) : x_(x), partial_(x.device(), x.shape().c) {
    partial_.clear();
  }

  void read(Index begin, Index end, Index channel, Index count, Index share) override {
    Moments* row = partial_.row(share);
    for_each_tile(begin, end, tile_pixels<T>(count), [&](Index first, Index last) {
      for_each_block<T>(count, [&]<int W>(Index c) { add<W>(row, first, last, channel + c); });
    });
  }

  /// @pre at least one pixel has been read.
  void finish(View<double, Cpu> mean, View<double, Cpu> variance) {
    Cpu& device = x_.device();
    device.parallel(x_.shape().c, {}, [&](Index begin, Index end, int) {
      for (Index c = begin; c < end; ++c) {
        Moments all;
        for (Index share = 0; share < partial_.count(); ++share) all.merge(partial_.row(share)[c]);
        mean.data()[c] = all.mean;
        variance.data()[c] = all.squares / all.count;
      }
    });
  }

 private:
  template <int W>
  void add(Moments* row, Index first, Index last, Index channel) {
    const T count = static_cast<T>(last - first);
    Block<T, W> sum{}, squares{};
    for (Index p = first; p < last; ++p) sum += load<W>(x_.pixel(p) + channel);
    const Block<T, W> centre = sum / count;
    for (Index p = first; p < last; ++p) {
      const Block<T, W> distance = load<W>(x_.pixel(p) + channel) - centre;
      squares += distance * distance;
    }
    std::array<T, W> means, sums;
    std::memcpy(means.data(), &centre, sizeof means);
    std::memcpy(sums.data(), &squares, sizeof sums);
    for (std::size_t i = 0; i < W; ++i)
      row[channel + static_cast<Index>(i)].merge({static_cast<double>(count),
                                                  static_cast<double>(means[i]),
                                                  static_cast<double>(sums[i])});
  }

  View<const T, Cpu> x_;
  ShareRows<Moments> partial_;
};

}  // namespace cpu

/// Computes the mean and the biased variance of every channel of x over its pixels.
/// @pre mean and variance hold one value per channel, and x has a pixel.
template <class T>
void channel_moments(View<T, Cpu> x, View<double, Cpu> mean, View<double, Cpu> variance) {
  const auto timed = x.device().timed(Operation::normalisation);
  cpu::ChannelMoments<std::remove_const_t<T>> moments(x);
  cpu::read_all<T>(moments, x.device(), x.shape());
  moments.finish(mean, variance);
}

}  // namespace retrace::inline RETRACE_ISA
