// Direct convolutions on the host: forward pass and input gradient, for any kernel and stride.
#pragma once

#include <algorithm>

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/conv_kernels.hpp"
#include "retrace/cpu/conv_pack.hpp"
#include "retrace/cpu/conv_quads.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// Bytes of cache for the packed input of one thread, and for the packed weights of all threads.
inline constexpr Index packed_input_bytes = 192 * 1024, packed_weight_bytes = 1024 * 1024;

/// Splits the output pixels of a batch into bands: groups of rows of an image.
struct Bands {
  Index images, height, rows;

  Index per_image() const { return (height + rows - 1) / rows; }
  Index count() const { return images * per_image(); }
  Index image(Index band) const { return band / per_image(); }
  Index first_row(Index band) const { return band % per_image() * rows; }
  Index row_count(Index band) const { return std::min(rows, height - first_row(band)); }
};

/// Returns the tallest bands whose packed input of `columns` x `channels` fits in the cache.
template <class T>
Bands cache_bands(Index images, Index height, Index columns, Index channels, Index kernel,
                  Index stride) {
  const Index row_bytes = columns * channels * static_cast<Index>(sizeof(T));
  const Index rows = (packed_input_bytes / std::max<Index>(row_bytes, 1) - kernel) / stride + 1;
  return {images, height, std::clamp<Index>(rows, 1, std::max<Index>(height, 1))};
}

/// Computes y (set, += or −=) Σ weights·image, for a forward pass or an input gradient.
template <class T>
struct DirectConvolution {
  View<T, Cpu> y;
  ConvImage<T> image;  ///< the first image of the batch; data may be null on a dry device
  Index image_step;    ///< elements from one image to the next
  ConvWeights<T> weights;
  Index kernel, stride;
  Store how;

  static constexpr Index width = lanes<T>;

  /// `reader`, if not null, reads the pixels of y.
  void run(PixelReader* reader) const {
    if (weights.inputs % 16 == 0 && !ends_in_quads())
      run_blocked<16>(reader);
    else
      run_blocked<4>(reader);
  }

 private:
  /// Output channels are computed in blocks of two registers, then one, then two quads.
  static constexpr Index block = 2 * width;
  static Index block_size(Index left) { return left >= block ? block : width; }

  bool ends_in_quads() const { return stride == 1 && quads_pay<T>(y.shape().c % width); }
  Index register_outputs() const {
    return ends_in_quads() ? y.shape().c / width * width : round_up(y.shape().c, width);
  }

  template <int CB>
  void run_blocked(PixelReader* reader) const {
    Cpu& device = y.device();
    const Shape out = y.shape();
    const Index channels = round_up(weights.inputs, CB), outputs = register_outputs();
    const Index columns = (out.w - 1) * stride + kernel;
    const Bands bands = cache_bands<T>(out.n, out.h, columns, channels, kernel, stride);
    const Index band_size = ((bands.rows - 1) * stride + kernel) * columns * channels;
    const Index input_size = round_up(band_size + overrun(columns), 16);
    const Index output_size = weights.taps * channels;  // packed weights of one output channel
    const Index group = std::clamp(
        packed_weight_bytes / (output_size * static_cast<Index>(sizeof(T))) / block * block, block,
        round_up(std::max(outputs, width), block));

    Tensor<T, Cpu> packed(
        device,
        {1, 1, std::min(group, outputs) + (ends_in_quads() ? quads * width : 0), output_size},
        Use::workspace);
    Tensor<T, Cpu> packed_input(device, {1, 1, device.threads(), input_size}, Use::workspace);
    for (Index first = 0; first == 0 || first < outputs; first += group) {
      const Index count = std::min(group, outputs - first);
      const bool tail = first + count == outputs && ends_in_quads();
      pack_group<CB>(packed, output_size, first, count, tail);
      const Index real = tail ? out.c - first : std::min(count, out.c - first);
      const Work work{static_cast<double>(weights.taps * weights.inputs * out.pixels() * real),
                      sizeof(T) * static_cast<double>(out.pixels() * (real + weights.inputs))};
      device.parallel_shares(
          device.shares(), bands.count(), work, [&](Index from, Index to, int thread, Index share) {
            T* input = packed_input.data() + thread * input_size;
            for (Index band = from; band < to; ++band) {
              convolve_band<CB>(bands, band, input, columns, packed.data(), first, count, tail);
              const Index pixel = (bands.image(band) * out.h + bands.first_row(band)) * out.w;
              if (reader)
                reader->read(pixel, pixel + bands.row_count(band) * out.w, first, real, share);
            }
          });
    }
  }

  /// Packs the weights of `count` outputs in registers, followed by those of the quads.
  template <int CB>
  void pack_group(Tensor<T, Cpu>& packed, Index output_size, Index first, Index count,
                  bool tail) const {
    const Work work{0, 2.0 * sizeof(T) * static_cast<double>(count * output_size)};
    y.device().parallel_uncounted(
        (count + block - 1) / block, work, [&](Index from, Index to, int) {
          for (Index k = from * block; k < std::min(count, to * block); k += block)
            pack_weights<CB>(packed.data() + k * output_size, weights, first + k,
                             block_size(count - k));
        });
    if (tail)
      y.device().parallel(1, {}, [&](Index, Index, int) {
        pack_quad_weights(packed.data() + count * output_size, weights, first + count);
      });
  }

  template <int CB>
  void convolve_band(const Bands& bands, Index band, T* input, Index columns, const T* packed,
                     Index first, Index count, bool tail) const {
    const Index top = bands.first_row(band), rows = bands.row_count(band);
    const Index in_rows = (rows - 1) * stride + kernel, padding = kernel / 2;
    ConvImage<T> from = image;
    from.data += bands.image(band) * image_step;
    ImagePacker<CB, T>(from, top * stride - padding, in_rows, columns, padding).pack(input);
    const Index blocks = round_up(weights.inputs, CB) / CB;
    const auto of = [&](Index k) {
      return BandOutputs{
          .out = y.pixel((bands.image(band) * y.shape().h + top) * y.shape().w) + first + k,
          .channels = y.shape().c - first - k,
          .rows = rows,
          .input = input,
          .steps = {in_rows * columns * CB, columns * CB},
          .blocks = blocks,
          .weights = packed + k * weights.taps * blocks * CB};
    };
    for (Index k = 0; k < count; k += block)
      if (block_size(count - k) == block)
        convolve_rows<CB, 2>(of(k));
      else
        convolve_rows<CB, 1>(of(k));
    if constexpr (CB == quad && lanes<T> == 16)
      if (tail) convolve_quads(of(count));
  }

  /// Output channels of a band.
  struct BandOutputs {
    T* out;          ///< the first channel of the first pixel
    Index channels;  ///< of `out` and after it
    Index rows;
    const T* input;  ///< of the band, packed
    PackedSteps steps;
    Index blocks;  ///< of input channels
    const T* weights;
  };

  /// Computes all pixels of a band for KV registers of outputs: wide tiles, then the remainder.
  template <int CB, int KV>
  void convolve_rows(const BandOutputs& band) const {
    constexpr int wide = sum_registers / KV;
    const Index columns = y.shape().w, rows = band.rows;
    const auto tile = [&]<int RH, int RW>(Index row, Index column) {
      convolve_tile<CB, KV, RH, RW>(band, row, column);
    };
    Index row = 0;
    if (stride == 1 && columns % wide != 0 && columns % (wide / 2) == 0)
      for (; row + 2 <= rows; row += 2)
        for (Index column = 0; column < columns; column += wide / 2)
          tile.template operator()<2, wide / 2>(row, column);
    for (; row < rows; ++row) {
      Index column = 0;
      if (stride == 1) {
        for (; column + wide <= columns; column += wide)
          tile.template operator()<1, wide>(row, column);
        for (; column + wide / 2 <= columns; column += wide / 2)
          tile.template operator()<1, wide / 2>(row, column);
      }
      for (; column < columns; ++column) tile.template operator()<1, 1>(row, column);
    }
  }

  template <int CB, int KV, int RH, int RW>
  void convolve_tile(const BandOutputs& band, Index row, Index column) const {
    ConvTile<T, CB, KV, RH, RW> sums;
    sums.compute(band.input + row * stride * band.steps.row + column * stride * CB, band.steps,
                 kernel, band.blocks, band.weights);
#pragma GCC unroll 32
    for (int p = 0; p < RH * RW; ++p) {
      T* pixel = band.out + ((row + p / RW) * y.shape().w + column + p % RW) * y.pitch();
#pragma GCC unroll 4
      for (int k = 0; k < KV; ++k)
        store_channels<width>(pixel + k * width, sums.sums[p][k], band.channels - k * width, how);
    }
  }

  /// Computes all pixels of a band for the last eight outputs, in tiles of eight registers of sums.
  void convolve_quads(const BandOutputs& band) const {
    const Index columns = y.shape().w;
    const auto tiles = [&]<int RH, int RG>() {
      for (Index row = 0; row < band.rows; row += RH)
        for (Index column = 0; column < columns; column += RG * quad)
          convolve_quad_tile<RH, RG>(band, row, column);
    };
    if (columns % 16 != 0 && columns % 16 <= 8)
      tiles.template operator()<2, 2>();
    else
      tiles.template operator()<1, 4>();
  }

  template <int RH, int RG>
  void convolve_quad_tile(const BandOutputs& band, Index row, Index column) const {
    QuadTile<T, RH, RG> tile;
    tile.compute(band.input + row * band.steps.row + column * quad, band.steps, kernel, band.blocks,
                 band.weights);
    const int outputs = static_cast<int>(band.channels);
    for (int r = 0; r < std::min<Index>(RH, band.rows - row); ++r)
      for (Index p = 0; p < std::min<Index>(RG * quad, y.shape().w - column); ++p) {
        T* pixel = band.out + ((row + r) * y.shape().w + column + p) * y.pitch();
        for (int k = 0; k < outputs; ++k) store(pixel[k], tile.value(r, p, k), how);
      }
  }

  /// Returns how many elements tiles of quads may read past the end of the packed input.
  static Index overrun(Index columns) { return 2 * columns * quad + 64; }
};

}  // namespace retrace::inline RETRACE_ISA::cpu
