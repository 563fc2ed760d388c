// The weight gradient of a Winograd convolution on the host.
#pragma once

#include "retrace/cpu/channel_sums.hpp"
#include "retrace/cpu/direct_weights.hpp"
#include "retrace/cpu/winograd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// Bytes of the 36 products that a thread sums at a time.
inline constexpr Index product_sum_bytes = 896 * 1024;

/// Computes dw += Gᵀ[Σ over tiles of (Bᵀ·x·B) ⊙ (A·dy·Aᵀ)]G, the gradient of the forward pass with
/// respect to w: 36 matrix products of channels by tiles and tiles by outputs.
///
/// For a small gradient, each share of the tiles has a private sum, and the sums are added in the
/// order of the shares. For a large one, each thread sums some output channels over all tiles.
template <class T>
struct WinogradWeightGradient {
  View<T, Cpu> dw;  ///< [3,3,C,K]
  ConvImage<T> image;
  View<const T, Cpu> dy;

  static constexpr int width = lanes<T>;

  void run() const {
    Cpu& device = dy.device();
    const Shape out = dy.shape();
    const Layout l = layout();
    ThreadRows<T> sums(device, tile_products * l.inputs * l.slice);
    ThreadRows<T> workspace(device, l.packed + l.in.size() + l.out.size());
    const Work work{static_cast<double>(9 * out.size() * image.channels),
                    sizeof(T) * static_cast<double>(out.pixels() * (out.c + image.channels))};
    if (l.by_channel) {
      device.parallel((l.outputs + l.slice - 1) / l.slice, work, [&](Index from, Index to, int t) {
        for (Index first = from * l.slice; first < std::min(to * l.slice, l.outputs);
             first += l.slice) {
          std::fill_n(sums.row(t), tile_products * l.inputs * l.slice, T(0));
          add_tiles(l, 0, l.groups.count(), first, sums.row(t), workspace.row(t));
          add_to_gradient(l, 0, l.inputs, first, 1, [&](Index) { return sums.row(t); });
        }
      });
    } else {
      sums.clear();
      device.parallel_shares(device.threads(), l.groups.count(), work,
                             [&](Index from, Index to, int t, Index share) {
                               add_tiles(l, from, to, 0, sums.row(share), workspace.row(t));
                             });
      const Work adding{0, sizeof(T) * static_cast<double>(tile_products * image.channels *
                                                           l.outputs * sums.count())};
      device.parallel_uncounted(image.channels, adding, [&](Index from, Index to, int) {
        add_to_gradient(l, from, to, 0, sums.count(), [&](Index share) { return sums.row(share); });
      });
    }
  }

 private:
  struct Layout {
    TileGroups groups;
    Index inputs, outputs;  ///< channels, rounded up to whole registers
    Index slice;            ///< outputs that are summed at a time
    bool by_channel;        ///< threads divide the slices, not the tiles
    TileMatrices in, out;
    Index packed;
  };

  Layout layout() const {
    const Shape shape = dy.shape();
    const int threads = dy.device().threads();
    Layout l{};
    l.inputs = round_up(image.channels, std::max(width, 4));
    l.outputs = round_up(shape.c, width);
    const Index output_size = tile_products * l.inputs * static_cast<Index>(sizeof(T));
    l.by_channel = l.outputs * output_size > private_gradient_bytes;
    l.slice = l.outputs;
    if (l.by_channel) {
      const Index fit = std::max<Index>(product_sum_bytes / output_size / width, 1) * width;
      const Index slices = round_up((l.outputs + fit - 1) / fit, threads);
      l.slice = round_up((l.outputs + slices - 1) / slices, width);
    }
    l.groups =
        TileGroups::of(shape, matrix_tiles<T>(l.inputs + l.slice), l.by_channel ? 1 : threads);
    l.in = TileMatrices::of(l.groups.most_tiles(), l.inputs);
    l.out = TileMatrices::of(l.groups.most_tiles(), l.slice);
    l.packed = round_up(TileGatherer<T, 6>::packed_size(l.groups), 16);  // the larger of the two
    return l;
  }

  ConvImage<T> gradient_image() const {
    return {dy.data(), dy.shape().h, dy.shape().w, dy.shape().c, dy.pitch()};
  }

  /// Adds some groups to sums[product][input][slice], for outputs [first, first + slice).
  void add_tiles(const Layout& l, Index from, Index to, Index first, T* sums, T* workspace) const {
    T* in = workspace + l.packed;
    T* out = in + l.in.size();
    const ConvImage<T> gradient = gradient_image();
    const TileGatherer<T, 6> inputs(image, image.height * image.width * image.pitch, l.groups);
    const TileGatherer<T, 4> outputs(gradient, gradient.height * gradient.width * gradient.pitch,
                                     l.groups);
    const Index count = std::min(l.slice, l.outputs - first);
    for (Index group = from; group < to; ++group) {
      inputs.gather(group, 0, image.channels, workspace, in, l.in);
      outputs.gather(group, first, count, workspace, out, l.out);
      for (Index p = 0; p < tile_products; ++p)
        for_each_register_block<T>(count, [&]<int KV>(Index at) {
          add_outer_block<T, KV>(
              sums + p * l.inputs * l.slice + at * width, l.slice, in + p * l.in.product, l.in.row,
              out + p * l.out.product + at * width, l.out.row, l.inputs, l.groups.tiles_of(group));
        });
    }
  }

  /// Computes dw += Gᵀ·sums·G for some inputs and the outputs of a slice, adding `shares` shares in
  /// their order.
  template <class Sums>
  void add_to_gradient(const Layout& l, Index from, Index to, Index first, Index shares,
                       Sums sums) const {
    using V = Block<T, width>;
    const Index outputs = dy.shape().c, step = l.inputs * l.slice;
    for (Index c = from; c < std::min(to, image.channels); ++c)
      for (Index k = 0; k < std::min(l.slice, l.outputs - first); k += width)
        transform_tile<V, 6, 3>(
            [](const V(&du)[6], V(&dg)[3]) { math::Winograd<T>::filter_gradient(du, dg); },
            [&](int i, int j) {
              const Index at = (i * 6 + j) * step + c * l.slice + k;
              V sum = load<width>(sums(0) + at);
              for (Index share = 1; share < shares; ++share) sum += load<width>(sums(share) + at);
              return sum;
            },
            [&](int i, int j, V value) {
              store_channels<width>(
                  dw.data() + ((i * 3 + j) * image.channels + c) * outputs + first + k, value,
                  outputs - first - k, Store::add);
            });
  }
};

}  // namespace retrace::inline RETRACE_ISA::cpu
