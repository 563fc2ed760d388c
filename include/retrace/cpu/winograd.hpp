// Winograd convolutions on the host: forward pass and input gradient of 3x3 filters of stride 1.
#pragma once

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/winograd_tiles.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The maximum size of the transformed weights that are stored at a time.
inline constexpr Index transformed_weight_bytes = 1536 * 1024;

/// The number of output channels whose products are computed before they are transformed.
inline constexpr Index product_columns = 64;

/// Computes y (set, += or −=) Aᵀ[(G·w·Gᵀ) ⊙ (Bᵀ·x·B)]A, with the 36 products summed over channels
/// as matrix products of tiles by channels and channels by outputs (Lavin & Gray 2016, alg. 1).
template <class T>
struct WinogradConvolution {
  View<T, Cpu> y;
  ConvImage<T> image;  ///< the first image of the batch; data may be null on a dry device
  Index image_step;    ///< elements from one image to the next
  ConvWeights<T> weights;
  Store how;

  static constexpr Index width = lanes<T>;

  /// `reader`, if not null, reads the pixels of y.
  void run(PixelReader* reader) const {
    Cpu& device = y.device();
    const Shape out = y.shape();
    const Layout l = layout();
    Tensor<T, Cpu> transformed(device, {1, l.slice, tile_products, l.depth}, Use::workspace);
    ThreadRows<T> workspace(device, l.packed + l.in.size() + l.products.size());
    for (Index first = 0; first < l.outputs; first += l.slice) {
      const Index count = std::min(l.slice, l.outputs - first);
      transform_weights(l, transformed.data(), first, count);
      const Index real = std::min(count, out.c - first);
      const Work work{static_cast<double>(weights.taps * weights.inputs * out.pixels() * real),
                      sizeof(T) * static_cast<double>(out.pixels() * (real + weights.inputs))};
      device.parallel_shares(device.shares(), l.groups.count(), work,
                             [&](Index from, Index to, int thread, Index share) {
                               for (Index group = from; group < to; ++group)
                                 convolve_group(l, group, first, count, transformed.data(),
                                                workspace.row(thread), reader, share);
                             });
    }
  }

 private:
  struct Layout {
    Index outputs;  ///< channels, rounded up to whole registers
    Index depth;    ///< inputs that the transformed weights have room for
    Index slice{};  ///< outputs whose transformed weights are stored at a time
    TileGroups groups{};
    TileMatrices in{}, products{};
    Index packed{};
  };

  Layout layout() const {
    // One more input if matrices would otherwise begin on the same cache sets.
    Layout l{.outputs = round_up(weights.outputs, width),
             .depth = weights.inputs + (weights.inputs % 32 == 0)};
    const Index fit =
        transformed_weight_bytes / (tile_products * l.depth * static_cast<Index>(sizeof(T)));
    l.slice = std::min(l.outputs, std::max(fit / (2 * width), Index{1}) * 2 * width);
    const Index columns = std::min(product_columns, l.slice);
    l.groups =
        TileGroups::of(y.shape(), matrix_tiles<T>(weights.inputs + columns), y.device().threads());
    l.in = TileMatrices::of(l.groups.most_tiles(), round_up(weights.inputs, width));
    l.products = TileMatrices::of(l.groups.most_tiles(), columns);
    l.packed = round_up(TileGatherer<T, 6>::packed_size(l.groups), 16);
    return l;
  }

  void convolve_group(const Layout& l, Index group, Index first, Index count, const T* transformed,
                      T* packed, PixelReader* reader, Index share) const {
    T* in = packed + l.packed;
    T* products = in + l.in.size();
    TileGatherer<T, 6>(image, image_step, l.groups)
        .gather(group, 0, weights.inputs, packed, in, l.in);
    for (Index k = 0; k < count; k += product_columns) {
      const Index columns = std::min(product_columns, count - k);
      multiply(l, group, in, transformed + k * tile_products * l.depth, columns, products);
      scatter(l, group, first + k, columns, products);
      if (reader)
        reader->read(l.groups.first_pixel(group), l.groups.first_pixel(group + 1), first + k,
                     std::min(columns, y.shape().c - first - k), share);
    }
  }

  /// Writes G·w·Gᵀ of outputs [first, first + count), in chunks of product_columns, as
  /// out[block of registers][product][input][KV registers].
  void transform_weights(const Layout& l, T* out, Index first, Index count) const {
    const Work work{0, sizeof(T) * static_cast<double>(tile_products * weights.inputs * count)};
    y.device().parallel_uncounted(weights.inputs, work, [&](Index from, Index to, int) {
      for (Index k = 0; k < count; k += product_columns)
        for_each_register_block<T>(std::min(product_columns, count - k), [&]<int KV>(Index at) {
          T* block = out + (k + at * width) * tile_products * l.depth;
          for (Index input = from; input < to; ++input)
            for (int r = 0; r < KV; ++r)
              transform_filter(block + (input * KV + r) * width, l.depth * KV * width, input,
                               first + k + (at + r) * width);
        });
    });
  }

  void transform_filter(T* to, Index step, Index input, Index output) const {
    using V = Block<T, width>;
    const Index exist = std::min<Index>(width, weights.outputs - output);
    const bool contiguous = !weights.transposed && exist == width;
    transform_tile<V, 3, 6>(
        [](const V(&g)[3], V(&u)[6]) { math::Winograd<T>::filter(g, u); },
        [&](int i, int j) {
          if (contiguous) return load<width>(&weights.at(i * 3 + j, input, output));
          T tap[width] = {};
          for (Index k = 0; k < exist; ++k) tap[k] = weights.at(i * 3 + j, input, output + k);
          return load<width>(tap);
        },
        [&](int i, int j, V value) { save<width>(to + (i * 6 + j) * step, value); });
  }

  void multiply(const Layout& l, Index group, const T* in, const T* transformed, Index columns,
                T* products) const {
    const Index inputs = weights.inputs, tiles = l.groups.tiles_of(group);
    for (Index p = 0; p < tile_products; ++p)
      for_each_register_block<T>(columns, [&]<int KV>(Index at) {
        const T* block = transformed + (at * tile_products + p * KV) * width * l.depth;
        multiply_block<T, KV>(products + p * l.products.product + at * width, l.products.row,
                              in + p * l.in.product, l.in.row, block, tiles, inputs);
      });
  }

  /// Stores Aᵀ·m·A of every tile of a group into y.
  void scatter(const Layout& l, Index group, Index first, Index columns, const T* products) const {
    const Index height = y.shape().h, row_pixels = y.shape().w;
    l.groups.for_each_part(group, [&](Index image_index, Index first_row, Index rows, Index tile) {
      for (Index row = first_row * tile_side; row < (first_row + rows) * tile_side;
           row += tile_side)
        for (Index column = 0; column < row_pixels; column += tile_side, ++tile) {
          T* to = y.pixel((image_index * height + row) * row_pixels + column) + first;
          const Index kept_rows = std::min(tile_side, height - row);
          const Index kept_columns = std::min(tile_side, row_pixels - column);
          for (Index k = 0; k < columns; k += width)
            put_tile(to + k, kept_rows, kept_columns, y.shape().c - first - k,
                     products + tile * l.products.row + k, l.products.product);
        }
    });
  }

  void put_tile(T* to, Index rows, Index columns, Index channels, const T* products,
                Index step) const {
    using V = Block<T, width>;
    V value[tile_side][tile_side];
    transform_tile<V, 6, 4>(
        [](const V(&m)[6], V(&out)[4]) { math::Winograd<T>::output(m, out); },
        [&](int i, int j) { return load<width>(products + (i * 6 + j) * step); },
        [&](int i, int j, V sum) { value[i][j] = sum; });
    const Index row_step = y.shape().w * y.pitch();
    if (rows == tile_side && columns == tile_side && channels >= width) {
#pragma GCC unroll 4
      for (int i = 0; i < tile_side; ++i)
#pragma GCC unroll 4
        for (int j = 0; j < tile_side; ++j)
          store_block<width>(to + i * row_step + j * y.pitch(), value[i][j], how);
    } else {
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < columns; ++j)
          store_channels<width>(to + i * row_step + j * y.pitch(), value[i][j], channels, how);
    }
  }
};

}  // namespace retrace::inline RETRACE_ISA::cpu
