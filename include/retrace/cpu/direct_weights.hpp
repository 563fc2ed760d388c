// The weight gradient of a direct convolution on the host, for any kernel and stride.
#pragma once

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/direct_conv.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The largest weight gradient summed privately per share; above it, channels are split instead.
inline constexpr Index private_gradient_bytes = 512 * 1024;

/// Computes dw += Σ over pixels of input ⊗ output gradient.
///
/// For a small gradient, each share of the images has a private sum, and the sums are added in the
/// order of the shares. For a large one, each thread sums some output channels over all images.
template <class T>
struct DirectWeightGradient {
  View<T, Cpu> dw;  ///< [k,k,C,K]
  ConvImage<T> image;
  View<const T, Cpu> dy;
  Index stride;

  static constexpr Index width = lanes<T>, block = 2 * width;

  void run() const {
    if (image.channels % 16 == 0)
      run_blocked<16>();
    else
      run_blocked<4>();
  }

 private:
  /// Packs several small images together, so that sums in registers cover enough pixels.
  struct Layout {
    Bands bands;            ///< bands of one image; several only if it exceeds the cache
    Index group;            ///< images packed together
    Index kernel, columns;  ///< columns of a packed input row
    Index channels;         ///< channels of the packed input
    Index band_size() const { return in_rows(bands.rows) * columns * channels; }
    Index in_rows(Index rows) const { return (rows - 1) * stride + kernel; }
    Index stride;
    Index output_size() const { return kernel * kernel * channels; }
  };

  template <int CB>
  Layout layout() const {
    const Shape out = dy.shape();
    Layout l{{}, 1, dw.shape().n, 0, round_up(image.channels, CB), stride};
    l.columns = (out.w - 1) * stride + l.kernel;
    l.bands = cache_bands<T>(1, out.h, l.columns, l.channels, l.kernel, stride);
    if (l.bands.rows == out.h)
      l.group =
          std::clamp<Index>(256 / std::max<Index>(out.h * out.w, 1), 1, std::max<Index>(out.n, 1));
    while (l.group > 1 &&
           l.group * l.band_size() * static_cast<Index>(sizeof(T)) > packed_input_bytes)
      --l.group;
    return l;
  }

  template <int CB>
  void run_blocked() const {
    Cpu& device = dy.device();
    const Layout l = layout<CB>();
    const Index outputs = round_up(dy.shape().c, width), blocks = (outputs + block - 1) / block;
    const Index all = outputs * l.output_size() * static_cast<Index>(sizeof(T));
    const bool by_channel = blocks >= device.threads() || all > private_gradient_bytes;
    const Index slice = by_channel ? std::min(block, outputs) : outputs;

    ThreadRows<T> sums(device, slice * l.output_size());
    ThreadRows<T> input(device, l.group * l.band_size());
    ThreadRows<T> gradient(device, l.group * l.bands.rows * dy.shape().w * slice);
    const Shape out = dy.shape();
    const Work work{static_cast<double>(out.size() * image.channels * l.kernel * l.kernel),
                    sizeof(T) * static_cast<double>(out.pixels() * (out.c + image.channels))};
    const Index groups = (out.n + l.group - 1) / l.group;
    if (by_channel) {
      device.parallel(blocks, work, [&](Index from, Index to, int thread) {
        for (Index b = from; b < to; ++b) {
          const Index first = b * block, count = std::min(block, outputs - first);
          std::fill_n(sums.row(thread), count * l.output_size(), T(0));
          add_images<CB>(l, 0, groups, first, count, sums.row(thread), input.row(thread),
                         gradient.row(thread));
          add_to_gradient<CB>(l, first, count, 1, [&](Index) { return sums.row(thread); });
        }
      });
    } else {
      sums.clear();
      device.parallel_shares(device.threads(), groups, work,
                             [&](Index from, Index to, int thread, Index share) {
                               add_images<CB>(l, from, to, 0, outputs, sums.row(share),
                                              input.row(thread), gradient.row(thread));
                             });
      device.parallel(1, {}, [&](Index, Index, int) {
        add_to_gradient<CB>(l, 0, outputs, sums.count(),
                            [&](Index share) { return sums.row(share); });
      });
    }
  }

  /// Adds some groups of images to sums[block of outputs][channel block][ky][kx][CB][block].
  template <int CB>
  void add_images(const Layout& l, Index from, Index to, Index first, Index count, T* sums,
                  T* input, T* gradient) const {
    const Shape out = dy.shape();
    for (Index group = from; group < to; ++group) {
      const Index first_image = group * l.group, images = std::min(l.group, out.n - first_image);
      for (Index band = 0; band < l.bands.count(); ++band) {
        const Index top = l.bands.first_row(band), rows = l.bands.row_count(band);
        const Index in_rows = l.in_rows(rows);
        for (Index i = 0; i < images; ++i) {
          ConvImage<T> from_image = image;
          from_image.data += (first_image + i) * image.height * image.width * image.pitch;
          ImagePacker<CB, T>(from_image, top * stride - l.kernel / 2, in_rows, l.columns,
                             l.kernel / 2)
              .pack(input + i * l.band_size());
          pack_gradient(gradient + i * rows * out.w * count,
                        ((first_image + i) * out.h + top) * out.w, rows * out.w, first, count);
        }
        const GradientPixels pixels{images,
                                    rows,
                                    out.w,
                                    l.band_size(),
                                    l.columns * CB * stride,
                                    CB * stride,
                                    rows * out.w * count,
                                    out.w * count,
                                    count};
        const PackedSteps steps{in_rows * l.columns * CB, l.columns * CB};
        for (Index k = 0; k < count; k += block)
          if (count - k > width)
            add_block<CB, 2>(l, sums + k * l.output_size(), input, steps, gradient + k, pixels);
          else
            add_block<CB, 1>(l, sums + k * l.output_size(), input, steps, gradient + k, pixels);
      }
    }
  }

  template <int CB, int KV>
  static void add_block(const Layout& l, T* sums, const T* input, const PackedSteps& steps,
                        const T* gradient, const GradientPixels& pixels) {
    constexpr int few = CB < sum_registers / 2 ? CB : sum_registers / 2;
    const Index row = l.kernel * CB;  // the taps of a row are adjacent in the packed input
    for (Index b = 0; b < l.channels / CB; ++b)
      for (Index ky = 0; ky < l.kernel; ++ky) {
        const T* a = input + b * steps.plane + ky * steps.row;
        Index r = 0;
        if constexpr (CB == 4 && sum_registers == 16)
          for (; r + 12 <= row; r += 12, sums += 12 * KV * width)
            add_weight_gradient<T, 12, KV>(sums, KV * width, a + r, gradient, pixels);
        for (; r < row; r += few, sums += few * KV * width)
          add_weight_gradient<T, few, KV>(sums, KV * width, a + r, gradient, pixels);
      }
  }

  /// Packs output channels [first, first + count) of some pixels, with zeros for missing channels.
  void pack_gradient(T* to, Index first_pixel, Index pixels, Index first, Index count) const {
    const Index exist = std::min(count, dy.shape().c - first);
    for (Index p = 0; p < pixels; ++p, to += count) {
      std::copy_n(dy.pixel(first_pixel + p) + first, exist, to);
      std::fill(to + exist, to + count, T(0));
    }
  }

  /// Adds the sums of `shares` shares to dw, in their order.
  template <int CB, class Sums>
  void add_to_gradient(const Layout& l, Index first, Index count, Index shares, Sums sums) const {
    const Index inputs = image.channels, outputs = dy.shape().c;
    for (Index k0 = 0; k0 < count; k0 += block) {
      const Index each = std::min(block, count - k0);
      const Index exist = std::min(each, outputs - first - k0);
      for (Index tap = 0; tap < l.kernel * l.kernel; ++tap)
        for (Index c = 0; c < inputs; ++c) {
          const Index from =
              k0 * l.output_size() + ((c / CB * l.kernel * l.kernel + tap) * CB + c % CB) * each;
          T* to = dw.data() + (tap * inputs + c) * outputs + first + k0;
          for (Index k = 0; k < exist; ++k) {
            T sum = sums(0)[from + k];
            for (Index share = 1; share < shares; ++share) sum += sums(share)[from + k];
            to[k] += sum;
          }
        }
    }
  }
};

}  // namespace retrace::inline RETRACE_ISA::cpu
