// The tiles of F(4x4,3x3) on the host: how they cover a batch, and how they are gathered into the
// 36 matrices whose products replace a convolution.
#pragma once

#include <algorithm>
#include <numeric>

#include "retrace/cpu/conv_pack.hpp"
#include "retrace/cpu/winograd_products.hpp"
#include "retrace/math/winograd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The side of an output tile in pixels, and the number of products per tile and channel.
inline constexpr Index tile_side = 4, tile_products = 36;

/// The size of the matrices of a group of tiles, unless a product needs more tiles.
inline constexpr Index tile_matrix_bytes = 480 * 1024;

/// Returns the number of tiles in a group, for the sum of input and output channels.
template <class T>
constexpr Index matrix_tiles(Index channels) {
  const Index tile_bytes = tile_products * channels * static_cast<Index>(sizeof(T));
  return std::max<Index>(tile_matrix_bytes / tile_bytes, 24);
}

/// Applies line(from[In], to[Out]) to the columns of a tile In x In, then to the rows.
template <class V, int In, int Out, class Line, class Load, class Put>
[[gnu::always_inline]] inline void transform_tile(Line line, Load load, Put put) {
  V half[Out][In];
#pragma GCC unroll 6
  for (int j = 0; j < In; ++j) {
    V from[In], to[Out];
#pragma GCC unroll 6
    for (int i = 0; i < In; ++i) from[i] = load(i, j);
    line(from, to);
#pragma GCC unroll 6
    for (int i = 0; i < Out; ++i) half[i][j] = to[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < Out; ++i) {
    V to[Out];
    line(half[i], to);
#pragma GCC unroll 6
    for (int j = 0; j < Out; ++j) put(i, j, to[j]);
  }
}

/// How tiles cover the output pixels of a batch: in groups of whole rows of tiles, which may span
/// images. The result of a tile does not depend on its group.
struct TileGroups {
  Index images, height, width;  ///< extents of the output
  Index group_rows = 1;         ///< rows of tiles in a group
  Index most_rows = 1;          ///< rows in a group of a large batch

  Index rows_per_image() const { return (height + tile_side - 1) / tile_side; }
  Index row_tiles() const { return (width + tile_side - 1) / tile_side; }
  Index rows() const { return images * rows_per_image(); }
  Index count() const { return (rows() + group_rows - 1) / group_rows; }
  Index most_tiles() const { return most_rows * row_tiles(); }

  /// Returns groups of at most about `tiles` tiles, the same number for every thread. If there are
  /// enough tiles, a group has a multiple of the rows that a product computes at once.
  static TileGroups of(Shape out, Index tiles, Index threads) {
    TileGroups groups{out.n, out.h, out.w};
    const Index row = std::max<Index>(groups.row_tiles(), 1);
    const Index all = product_rows / std::gcd(product_rows, row);
    const Index most = std::max<Index>(tiles / row, 1);
    groups.most_rows = most >= all ? most / all * all : most;
    const Index count =
        round_up((groups.rows() + groups.most_rows - 1) / groups.most_rows, threads);
    const Index share = (groups.rows() + count - 1) / std::max<Index>(count, 1);
    const Index half = std::max<Index>(all / 2, 1);  // for two registers per row
    groups.group_rows = std::clamp<Index>(round_up(share, half), 1, groups.most_rows);
    return groups;
  }

  /// Calls body(image, first row of tiles within it, rows of tiles, first tile within the group)
  /// for the parts of a group that lie in one image.
  template <class Body>
  void for_each_part(Index group, Body body) const {
    const Index end = std::min((group + 1) * group_rows, rows());
    for (Index row = group * group_rows, tile = 0; row < end;) {
      const Index first = row % rows_per_image();
      const Index count = std::min(end - row, rows_per_image() - first);
      body(row / rows_per_image(), first, count, tile);
      row += count;
      tile += count * row_tiles();
    }
  }
  /// Returns the first pixel of a group in the batch, which is the end of the group before it.
  Index first_pixel(Index group) const {
    const Index row = std::min(group * group_rows, rows());
    return (row / rows_per_image() * height + row % rows_per_image() * tile_side) * width;
  }
  Index tiles_of(Index group) const {
    return std::min(group_rows, rows() - group * group_rows) * row_tiles();
  }
};

/// The layout of 36 matrices with one row per tile: [product][tile][channel].
struct TileMatrices {
  Index row;      ///< elements from one tile to the next
  Index product;  ///< and from one matrix to the next

  /// Adds a little padding, so that neither step maps to the same cache sets.
  static TileMatrices of(Index tiles, Index channels) {
    const Index row = channels + (channels % 128 == 0 ? 16 : 0);
    return {row, round_up(tiles, product_rows) * row + 16};
  }
  Index size() const { return tile_products * product; }
};

/// Packs images and transforms their tiles into matrices: Bᵀ·d·B of the 6x6 pixels under an output
/// tile, or A·dy·Aᵀ of the 4x4 pixels of an output gradient.
template <class T, int Side>
class TileGatherer {
 public:
  static constexpr int width = lanes<T>;
  static constexpr Index padding = (Side - tile_side) / 2;

  TileGatherer(const ConvImage<T>& image, Index image_step, const TileGroups& groups)
      : image_(image), image_step_(image_step), groups_(groups) {}

  /// Returns the number of elements in the packed pixels of one register of channels.
  static Index packed_size(const TileGroups& groups) {
    return (groups.most_rows * tile_side + 2 * padding) * columns(groups) * width;
  }
  /// Gathers channels [first, first + channels) of the tiles of a group, with zeros for missing
  /// ones.
  void gather(Index group, Index first, Index channels, T* packed, T* matrices,
              const TileMatrices& steps) const {
    groups_.for_each_part(group, [&](Index image, Index first_row, Index rows, Index first_tile) {
      ConvImage<T> from = image_;
      from.data += image * image_step_;
      const ImagePacker<width, T> packer(from, first_row * tile_side - padding,
                                         rows * tile_side + 2 * padding, columns(groups_), padding);
      for (Index c = 0; c < channels; c += width) {
        packer.pack_channels(packed, first + c);
        T* to = matrices + first_tile * steps.row + c;
        for (Index row = 0; row < rows; ++row)
          for (Index tile = 0; tile < groups_.row_tiles(); ++tile, to += steps.row)
            transform(packed + (row * columns(groups_) + tile) * tile_side * width, to,
                      steps.product);
      }
    });
  }

 private:
  static Index columns(const TileGroups& groups) {
    return groups.row_tiles() * tile_side + 2 * padding;
  }

  void transform(const T* from, T* to, Index step) const {
    using V = Block<T, width>;
    const Index row = columns(groups_) * width;
    transform_tile<V, Side, 6>(
        [](const V(&in)[Side], V(&out)[6]) {
          if constexpr (Side == 6)
            math::Winograd<T>::input(in, out);
          else
            math::Winograd<T>::output_gradient(in, out);
        },
        [&](int i, int j) { return load<width>(from + i * row + j * width); },
        [&](int i, int j, V value) { save<width>(to + (i * 6 + j) * step, value); });
  }

  const ConvImage<T>& image_;
  Index image_step_;
  TileGroups groups_;
};

}  // namespace retrace::inline RETRACE_ISA::cpu
