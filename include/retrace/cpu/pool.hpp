// Poolings on the host: the in-place permutations Pc and Pb, the maximum and the mean.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "retrace/cpu/channel_sums.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Permutes each of `slabs` equal parts of packed memory through a copy: move(from, to).
template <class T, class Move>
void permute_slabs(View<T, Cpu> x, Index slabs, Move move) {
  if (slabs == 0) return;
  const Index length = x.shape().size() / slabs;
  ThreadRows<T> copies(x.device(), length);
  x.device().parallel(slabs, sweep_work<T>(x.shape(), 2), [&](Index first, Index last, int thread) {
    for (Index slab = first; slab < last; ++slab) {
      T* data = x.data() + slab * length;
      std::copy_n(data, length, copies.row(thread));
      move(copies.row(thread), data);
    }
  });
}

}  // namespace cpu

/// Space to depth within slabs of two rows; x is [N,H,W,C], packed.
template <class T>
void channel_pool(View<T, Cpu> x) {
  const auto timed = x.device().timed(Operation::pooling);
  const Index run = 2 * x.shape().c, row = x.shape().w * x.shape().c;
  cpu::permute_slabs(x, x.shape().n * x.shape().h / 2, [=](const T* from, T* to) {
    for (Index at = 0; at < row; at += run, to += 2 * run) {
      std::copy_n(from + at, run, to);
      std::copy_n(from + row + at, run, to + run);
    }
  });
}

/// Depth to space; x has the resulting shape [N,H,W,C], packed.
template <class T>
void channel_unpool(View<T, Cpu> x) {
  const auto timed = x.device().timed(Operation::pooling);
  const Index run = 2 * x.shape().c, row = x.shape().w * x.shape().c;
  cpu::permute_slabs(x, x.shape().n * x.shape().h / 2, [=](const T* from, T* to) {
    for (Index at = 0; at < row; at += run, from += 2 * run) {
      std::copy_n(from, run, to + at);
      std::copy_n(from + run, run, to + row + at);
    }
  });
}

namespace cpu {

/// Permutes the pixels of each image of packed memory. Copies as many channels at a time as fill a
/// cache line. move(whole, part) returns {from, to}, given a pixel's index in the image and its
/// index in the sequence of the four sub-images.
template <class T, class Move>
void permute_images(View<T, Cpu> x, Move move) {
  constexpr Index block = 64 / static_cast<Index>(sizeof(T));
  const Shape image = x.shape();
  const Index pixels = image.h * image.w, blocks = (image.c + block - 1) / block;
  ThreadRows<T> copies(x.device(), pixels * block);
  x.device().parallel(
      image.n * blocks, sweep_work<T>(image, 2), [&](Index first, Index last, int thread) {
        T* copy = copies.row(thread);
        for (Index i = first; i < last; ++i) {
          const Index channel = i % blocks * block, channels = std::min(block, image.c - channel);
          T* data = x.data() + i / blocks * pixels * image.c + channel;
          for (Index p = 0; p < pixels; ++p)
            std::copy_n(data + p * image.c, channels, copy + p * block);
          for (Index h = 0; h < image.h; ++h)
            for (Index w = 0; w < image.w; ++w) {
              const Index whole = h * image.w + w;
              const Index part = (h % 2 * 2 + w % 2) * (pixels / 4) + h / 2 * (image.w / 2) + w / 2;
              const auto [from, to] = move(whole, part);
              std::copy_n(copy + from * block, channels, data + to * image.c);
            }
        }
      });
}

}  // namespace cpu

/// Space to batch within each image; x is [N,H,W,C], packed.
template <class T>
void batch_pool(View<T, Cpu> x) {
  const auto timed = x.device().timed(Operation::pooling);
  cpu::permute_images(x, [](Index whole, Index part) { return std::pair(whole, part); });
}

/// Batch to space; x has the resulting shape [N,H,W,C], packed.
template <class T>
void batch_unpool(View<T, Cpu> x) {
  const auto timed = x.device().timed(Operation::pooling);
  cpu::permute_images(x, [](Index whole, Index part) { return std::pair(part, whole); });
}

namespace cpu {

/// Calls window(index of the pooled pixel, indices of the window's four pixels).
template <class T, class Window>
void for_each_window(Cpu& device, Shape pooled, Window window) {
  device.parallel(pooled.pixels(), sweep_work<T>(pooled, 5), [=](Index first, Index last, int) {
    for (Index pixel = first; pixel < last; ++pixel) {
      const Index row = pixel / pooled.w, top = (2 * row * pooled.w + pixel % pooled.w) * 2;
      const Index below = top + 2 * pooled.w;
      window(pixel, std::array<Index, 4>{top, top + 1, below, below + 1});
    }
  });
}

}  // namespace cpu

/// Computes y = the maximum of each 2 x 2 window, and largest = the index, within the window, of
/// the first pixel that has it.
template <class T>
void max_pool(View<T, Cpu> y, View<std::uint8_t, Cpu> largest, ConstView<T, Cpu> x) {
  const auto timed = y.device().timed(Operation::pooling);
  const Index channels = y.shape().c;
  cpu::for_each_window<T>(y.device(), y.shape(), [=](Index pixel, std::array<Index, 4> window) {
    cpu::for_each_block<T>(channels, [&]<int W>(Index c) {
      using Places = cpu::Block<std::uint8_t, W>;
      auto best = cpu::load<W>(x.pixel(window[0]) + c);
      cpu::Block<T, W> which{};
      for (std::size_t i = 1; i < 4; ++i) {
        const auto candidate = cpu::load<W>(x.pixel(window[i]) + c);
        // NaN propagates, so that checks find it.
        const auto larger = (candidate > best) | (candidate != candidate);
        best = larger ? candidate : best;
        which = larger ? cpu::Block<T, W>{} + static_cast<T>(i) : which;
      }
      cpu::save<W>(y.pixel(pixel) + c, best);
      cpu::save<W>(largest.pixel(pixel) + c, cpu::converted<Places>(which));
    });
  });
}

template <class T>
void max_pool_backward(View<T, Cpu> dx, ConstView<T, Cpu> dy,
                       View<const std::uint8_t, Cpu> largest) {
  const auto timed = dx.device().timed(Operation::pooling);
  const Index channels = dy.shape().c;
  cpu::for_each_window<T>(dx.device(), dy.shape(), [=](Index pixel, std::array<Index, 4> window) {
    cpu::for_each_block<T>(channels, [&]<int W>(Index c) {
      using Values = cpu::Block<T, W>;
      const auto from = cpu::load<W>(dy.pixel(pixel) + c);
      const auto which = cpu::converted<Values>(cpu::load<W>(largest.pixel(pixel) + c));
      for (std::size_t i = 0; i < 4; ++i)
        cpu::save<W>(dx.pixel(window[i]) + c, which == static_cast<T>(i) ? from : Values{});
    });
  });
}

/// Computes y[n,c] = the mean over the pixels of the x.n/y.n images that belong to image n.
template <class T>
void global_average(View<T, Cpu> y, ConstView<T, Cpu> x) {
  const auto timed = y.device().timed(Operation::pooling);
  const Index images = y.shape().n, channels = y.shape().c;
  if (images == 0) return;
  const Index pixels = x.shape().pixels() / images;
  y.device().parallel(images, sweep_work<T>(x.shape(), 1), [=](Index first, Index last, int) {
    std::vector<double> sums(static_cast<std::size_t>(channels));
    for (Index image = first; image < last; ++image) {
      std::fill(sums.begin(), sums.end(), 0);
      for (Index p = 0; p < pixels; ++p) {
        const T* row = x.pixel(image * pixels + p);
        for (Index c = 0; c < channels; ++c)
          sums[static_cast<std::size_t>(c)] += static_cast<double>(row[c]);
      }
      for (Index c = 0; c < channels; ++c)
        y.pixel(image)[c] =
            static_cast<T>(sums[static_cast<std::size_t>(c)] / static_cast<double>(pixels));
    }
  });
}

template <class T>
void global_average_backward(View<T, Cpu> dx, ConstView<T, Cpu> dy) {
  const auto timed = dx.device().timed(Operation::pooling);
  const Index images = dy.shape().n, channels = dy.shape().c;
  if (images == 0) return;
  const Index pixels = dx.shape().pixels() / images;
  const T share = T(1) / static_cast<T>(pixels);
  dx.device().parallel(dx.shape().pixels(), sweep_work<T>(dx.shape(), 1),
                       [=](Index first, Index last, int) {
                         for (Index p = first; p < last; ++p)
                           for (Index c = 0; c < channels; ++c)
                             dx.pixel(p)[c] = share * dy.pixel(p / pixels)[c];
                       });
}

}  // namespace retrace::inline RETRACE_ISA
