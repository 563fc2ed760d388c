// Tiles of queries and keys of one head, with keys along the rows and queries along the columns.
#pragma once

#include <algorithm>
#include <limits>

#include "retrace/core/attention.hpp"
#include "retrace/cpu/cpu.hpp"
#include "retrace/cpu/exponential.hpp"
#include "retrace/cpu/matrix_tile.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// Queries and keys of a tile.
inline constexpr Index tile_keys = 64;
template <class T>
inline constexpr Index most_tile_queries = rounded_up(64, matrix_columns<T>);

/// One head of a sequence: rows of T channels, `pitch` apart.
template <class T>
struct Head {
  T* data;
  Index pitch;

  T* row(Index position) const { return data + position * pitch; }
};
template <class T>
Head<T> head_of(View<T, Cpu> x, Index image, Index head, Index channels) {
  return {x.data() + image * x.shape().h * x.shape().w * x.pitch() + head * channels, x.pitch()};
}

/// The scores of one head: which tiles exist, and products in them.
template <class T>
struct ScoreTiles {
  static constexpr int W = lanes<T>;

  Index queries, keys, channels;  ///< of the whole head
  bool causal;
  Index window;
  T scale;
  const std::uint8_t* present;  ///< by key, or null

  /// Queries of a tile, as few vectors as hold all.
  Index tile_queries() const {
    return std::min(most_tile_queries<T>,
                    rounded_up(std::max<Index>(queries, 1), matrix_columns<T>));
  }
  Index query_tiles() const { return (queries + tile_queries() - 1) / tile_queries(); }
  Index position(Index query) const { return keys - queries + query; }

  /// The first key of the first tile, and the end of the keys, of queries [first, last).
  Index first_key(Index first) const {
    if (window == 0) return 0;
    return std::max<Index>(position(first) - window + 1, 0) / tile_keys * tile_keys;
  }
  Index end_of_keys(Index last) const {
    const Index end = causal       ? position(last - 1) + 1
                      : window > 0 ? position(last - 1) + window
                                   : keys;
    return std::min(end, keys);
  }

  /// to[c][q] = factor·x[q][c] for `count` rows of x, zeros in the other columns.
  void transpose(T* to, Head<const T> x, Index first, Index count, T factor) const {
    const Index columns = tile_queries();
    for (Index c = 0; c < channels; ++c)
      std::fill(to + c * columns + count, to + (c + 1) * columns, T(0));
    for (Index q = 0; q < count; ++q) {
      const T* row = x.row(first + q);
      for (Index c = 0; c < channels; ++c) to[c * columns + q] = factor * row[c];
    }
  }

  /// scores[k][q] = keys·queries for a tile of keys; −∞ where a query does not attend.
  void score(T* scores, const T* queries_transposed, Head<const T> k, Index first_query,
             Index query_count, Index key, Index count) const {
    const Index columns = tile_queries();
    multiply(
        Product<T>{channels, k.row(key), k.pitch, 1, queries_transposed, columns, scores, columns},
        count, columns);
    constexpr T none = -std::numeric_limits<T>::infinity();
    const Index near = position(first_query), far = position(first_query + query_count - 1);
    const bool cut_behind = causal && key + count - 1 > near,
               cut_far = window > 0 && (far - key >= window || key + count - 1 - near >= window);
    if (!present && !cut_behind && !cut_far) return;
    for (Index i = 0; i < count; ++i) {
      T* row = scores + i * columns;
      const Index at = key + i;
      if (present && !present[at]) {
        std::fill_n(row, columns, none);
        continue;
      }
      // Queries [first, last) of the tile attend to this key.
      const Index first = std::clamp<Index>(
                      std::max(causal ? at : Index{0}, window > 0 ? at - window + 1 : Index{0}) -
                          near,
                      0, columns),
                  last =
                      window > 0 ? std::clamp<Index>(at + window - near, first, columns) : columns;
      std::fill(row, row + first, none);
      std::fill(row + last, row + columns, none);
    }
  }
};

}  // namespace retrace::inline RETRACE_ISA::cpu
