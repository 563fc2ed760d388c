// Exact attention on the host, in tiles: the matrix of scores never exists.
#pragma once

#include <cmath>
#include <string>

#include "retrace/core/error.hpp"
#include "retrace/cpu/attention_tile.hpp"
#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Forward for a tile of queries, with a running maximum m and a running sum l of exponentials (Dao
/// et al. 2022, Algorithm 1).
template <class T>
class AttentionTile {
 public:
  static constexpr int W = lanes<T>;

  explicit AttentionTile(const ScoreTiles<T>& tiles)
      : tiles_(tiles), columns_(tiles.tile_queries()) {}

  /// Elements of workspace.
  Index workspace() const { return columns_ * (2 * tiles_.channels + tile_keys + 3); }

  void run(Index tile, Head<const T> q, Head<const T> k, Head<const T> v, Head<T> y, Head<T> lse,
           T* workspace) const {
    T *queries = workspace, *sums = queries + tiles_.channels * columns_,
      *scores = sums + tiles_.channels * columns_, *largest = scores + tile_keys * columns_,
      *total = largest + columns_, *factor = total + columns_;
    const Index first = tile * columns_, count = std::min(columns_, tiles_.queries - first);
    tiles_.transpose(queries, q, first, count, tiles_.scale);
    std::fill_n(sums, tiles_.channels * columns_, T(0));
    std::fill_n(largest, columns_, -std::numeric_limits<T>::infinity());
    std::fill_n(total, columns_, T(0));
    const Index end = tiles_.end_of_keys(first + count);
    for (Index key = tiles_.first_key(first); key < end; key += tile_keys) {
      const Index some = std::min(tile_keys, end - key);
      tiles_.score(scores, queries, k, first, count, key, some);
      exponentiate(scores, some, largest, total, factor);
      for (Index c = 0; c < tiles_.channels; ++c)
        for (Index i = 0; i < columns_; i += W)
          save<W>(sums + c * columns_ + i, load<W>(sums + c * columns_ + i) * load<W>(factor + i));
      multiply(
          Product<T>{some, v.row(key), 1, v.pitch, scores, columns_, sums, columns_, Store::add},
          tiles_.channels, columns_);
    }
    for (Index i = 0; i < count; ++i) {
      const T share = total[i] > 0 ? T(1) / total[i] : total[i];
      for (Index c = 0; c < tiles_.channels; ++c)
        y.row(first + i)[c] = sums[c * columns_ + i] * share;
      *lse.row(first + i) =
          total[i] == 0 ? std::numeric_limits<T>::infinity() : largest[i] + std::log(total[i]);
    }
  }

 private:
  /// Replaces the scores by exp(score − m), updates m and l, and sets factor = exp(old m − m).
  void exponentiate(T* scores, Index rows, T* largest, T* total, T* factor) const {
    constexpr T none = -std::numeric_limits<T>::infinity();
    for (Index i = 0; i < columns_; i += W) {
      const auto before = load<W>(largest + i);
      auto now = before;
      for (Index r = 0; r < rows; ++r) {
        const auto score = load<W>(scores + r * columns_ + i);
        now = score > now ? score : now;  // a NaN makes the sum NaN
      }
      const auto zero = Block<T, W>{};
      const auto shift = now == none ? zero : now;
      const auto share = exponential_below<T>(before - shift);
      auto sum = load<W>(total + i) * share;
      for (Index r = 0; r < rows; ++r) {
        const auto weight = exponential_below<T>(load<W>(scores + r * columns_ + i) - shift);
        save<W>(scores + r * columns_ + i, weight);
        sum += weight;
      }
      save<W>(largest + i, now);
      save<W>(total + i, sum);
      save<W>(factor + i, share);
    }
  }

  ScoreTiles<T> tiles_;
  Index columns_;
};

/// Backward for one query head, tile by tile (ibid., Algorithm 4): adds to the gradients of keys
/// and values, sets that of the queries, which may take the place of q.
template <class T>
class AttentionGradient {
 public:
  static constexpr int W = lanes<T>;

  explicit AttentionGradient(const ScoreTiles<T>& tiles)
      : tiles_(tiles),
        columns_(tiles.tile_queries()),
        wide_(rounded_up(tiles.channels, matrix_columns<T>)) {}

  Index workspace() const {
    return columns_ * (3 * tiles_.channels + 2 * wide_ + 2 * tile_keys + 2);
  }

  void run(Head<const T> q, Head<const T> k, Head<const T> v, Head<const T> y, Head<const T> dy,
           Head<const T> lse, Head<T> dq, Head<T> dk, Head<T> dv, T* workspace) const {
    T *queries = workspace, *dy_transposed = queries + tiles_.channels * columns_,
      *dq_transposed = dy_transposed + tiles_.channels * columns_,
      *query_rows = dq_transposed + tiles_.channels * columns_,
      *dy_rows = query_rows + wide_ * columns_, *weights = dy_rows + wide_ * columns_,
      *slopes = weights + tile_keys * columns_, *logs = slopes + tile_keys * columns_,
      *delta = logs + columns_;
    const Index channels = tiles_.channels;
    for (Index tile = 0; tile < tiles_.query_tiles(); ++tile) {
      const Index first = tile * columns_, count = std::min(columns_, tiles_.queries - first);
      tiles_.transpose(queries, q, first, count, tiles_.scale);
      tiles_.transpose(dy_transposed, dy, first, count, T(1));
      copy_rows(query_rows, q, first, count, tiles_.scale);
      copy_rows(dy_rows, dy, first, count, T(1));
      std::fill_n(dq_transposed, channels * columns_, T(0));
      std::fill(logs + count, logs + columns_, std::numeric_limits<T>::infinity());
      std::fill(delta + count, delta + columns_, T(0));
      for (Index i = 0; i < count; ++i) {
        logs[i] = *lse.row(first + i);
        T sum = 0;
        for (Index c = 0; c < channels; ++c) sum += dy.row(first + i)[c] * y.row(first + i)[c];
        delta[i] = sum;
      }
      const Index end = tiles_.end_of_keys(first + count);
      for (Index key = tiles_.first_key(first); key < end; key += tile_keys) {
        const Index some = std::min(tile_keys, end - key);
        tiles_.score(weights, queries, k, first, count, key, some);
        multiply(
            Product<T>{channels, v.row(key), v.pitch, 1, dy_transposed, columns_, slopes, columns_},
            some, columns_);
        differentiate(weights, slopes, some, logs, delta);
        multiply(Product<T>{count, weights, columns_, 1, dy_rows, wide_, dv.row(key), dv.pitch,
                            Store::add},
                 some, channels);
        multiply(Product<T>{count, slopes, columns_, 1, query_rows, wide_, dk.row(key), dk.pitch,
                            Store::add},
                 some, channels);
        multiply(Product<T>{some, k.row(key), 1, k.pitch, slopes, columns_, dq_transposed, columns_,
                            Store::add},
                 channels, columns_);
      }
      for (Index i = 0; i < count; ++i)
        for (Index c = 0; c < channels; ++c)
          dq.row(first + i)[c] = tiles_.scale * dq_transposed[c * columns_ + i];
    }
  }

 private:
  void copy_rows(T* to, Head<const T> from, Index first, Index count, T factor) const {
    for (Index i = 0; i < count; ++i) {
      for (Index c = 0; c < tiles_.channels; ++c)
        to[i * wide_ + c] = factor * from.row(first + i)[c];
      std::fill(to + i * wide_ + tiles_.channels, to + (i + 1) * wide_, T(0));
    }
  }

  /// The scores become P = exp(score − lse), the slopes P·(slope − delta).
  void differentiate(T* scores, T* slopes, Index rows, const T* logs, const T* delta) const {
    for (Index i = 0; i < columns_; i += W) {
      const auto shift = load<W>(logs + i), mean = load<W>(delta + i);
      for (Index r = 0; r < rows; ++r) {
        const Index at = r * columns_ + i;
        const auto weight = exponential_below<T>(load<W>(scores + at) - shift);
        save<W>(scores + at, weight);
        save<W>(slopes + at, weight * (load<W>(slopes + at) - mean));
      }
    }
  }

  ScoreTiles<T> tiles_;
  Index columns_, wide_;
};

/// @throws ShapeError unless the shapes fit.
template <class T>
ScoreTiles<T> score_tiles(View<const T, Cpu> q, View<const T, Cpu> k, View<const T, Cpu> v,
                          const AttentionTerms<Cpu>& terms, Index image) {
  const Shape qs = q.shape(), ks = k.shape();
  const Index channels = terms.heads > 0 ? qs.c / terms.heads : 0;
  if (terms.key_heads < 1 || terms.heads % terms.key_heads != 0 || channels * terms.heads != qs.c ||
      ks.c != channels * terms.key_heads)
    throw ShapeError("attention: q has " + std::to_string(qs.c) + " channels in " +
                     std::to_string(terms.heads) + " heads and k has " + std::to_string(ks.c) +
                     " in " + std::to_string(terms.key_heads));
  require_same_shape("attention", "k", ks, "v", v.shape());
  if (ks.n != qs.n || ks.h * ks.w < qs.h * qs.w)
    throw ShapeError("attention: q is " + to_string(qs) + " but k is " + to_string(ks) +
                     ": it must have as many images, and at least as many positions");
  const std::uint8_t* present = nullptr;
  if (terms.keys) {
    require_same_shape("attention", "the mask of keys", terms.keys->shape(), "that of k",
                       with_channels(ks, 1));
    present = terms.keys->pixel(image * ks.h * ks.w);
    if (!terms.keys->packed()) throw ShapeError("attention: the mask of keys must be packed");
  }
  return {qs.h * qs.w,  ks.h * ks.w,  channels,
          terms.causal, terms.window, static_cast<T>(terms.scale),
          present};
}

/// Pairs of a query and a key that attend, about: those of whole sequences or windows.
template <class T>
double attending_pairs(const ScoreTiles<T>& tiles) {
  const auto queries = static_cast<double>(tiles.queries), keys = static_cast<double>(tiles.keys);
  const double all = tiles.causal ? queries * (keys - queries / 2) : queries * keys;
  const double near = static_cast<double>(tiles.window) * (tiles.causal ? 1 : 2);
  return tiles.window > 0 ? std::min(all, queries * near) : all;
}

}  // namespace cpu

/// Computes y = softmax(scale·q·kᵀ)·v for every image and head, over the keys that a query attends
/// to, and lse, [N,1,T,heads], the logarithm of the sum of exponentials of every row. A query
/// without keys gives y = 0 and lse = ∞. The bits depend neither on the threads nor on the images.
///
/// Shapes: q and y [N,1,T,heads·c], k and v [N,1,S,key_heads·c].
/// @throws ShapeError unless the shapes fit.
template <class T>
void attention(View<T, Cpu> y, View<T, Cpu> lse, ConstView<T, Cpu> q, ConstView<T, Cpu> k,
               ConstView<T, Cpu> v, const AttentionTerms<Cpu>& terms) {
  const auto timed = y.device().timed(Operation::attention);
  require_same_shape("attention", "y", y.shape(), "q", q.shape());
  require_same_shape("attention", "lse", lse.shape(), "one number for each head of q",
                     with_channels(q.shape(), terms.heads));
  const auto any = cpu::score_tiles<T>(q, k, v, terms, 0);
  const Index size = cpu::AttentionTile<T>(any).workspace(), share = terms.heads / terms.key_heads;
  Tensor<T, Cpu> workspace(y.device(), {1, 1, y.device().threads(), size}, Use::workspace);
  const Index tiles = any.query_tiles(), heads = q.shape().n * terms.heads;
  const double pairs = static_cast<double>(heads) * cpu::attending_pairs(any);
  const Work work{2 * pairs * static_cast<double>(any.channels),
                  sizeof(T) * 4.0 * static_cast<double>(q.shape().size())};
  y.device().parallel(heads * tiles, work, [&](Index begin, Index end, int thread) {
    for (Index i = begin; i < end; ++i) {
      const Index image = i / tiles / terms.heads, head = i / tiles % terms.heads;
      const auto of = [&](auto x, Index at) { return cpu::head_of(x, image, at, any.channels); };
      cpu::AttentionTile<T>(cpu::score_tiles<T>(q, k, v, terms, image))
          .run(i % tiles, of(View<const T, Cpu>(q), head), of(View<const T, Cpu>(k), head / share),
               of(View<const T, Cpu>(v), head / share), of(y, head),
               cpu::head_of(lse, image, head, 1), workspace.data() + thread * size);
    }
  });
}

/// Computes the gradients dq, dk and dv of attention() from y, lse and dy: sets them. dq may be q.
/// A thread computes all heads that share keys, so at most N·key_heads threads work.
template <class T>
void attention_backward(View<T, Cpu> dq, View<T, Cpu> dk, View<T, Cpu> dv, ConstView<T, Cpu> q,
                        ConstView<T, Cpu> k, ConstView<T, Cpu> v, ConstView<T, Cpu> y,
                        ConstView<T, Cpu> lse, ConstView<T, Cpu> dy,
                        const AttentionTerms<Cpu>& terms) {
  const auto timed = dq.device().timed(Operation::attention);
  require_same_shape("attention", "dy", dy.shape(), "q", q.shape());
  const auto any = cpu::score_tiles<T>(q, k, v, terms, 0);
  fill(dk, T(0));
  fill(dv, T(0));
  const Index size = cpu::AttentionGradient<T>(any).workspace();
  const Index share = terms.heads / terms.key_heads, groups = q.shape().n * terms.key_heads;
  Tensor<T, Cpu> workspace(dq.device(), {1, 1, dq.device().threads(), size}, Use::workspace);
  const double pairs = static_cast<double>(q.shape().n * terms.heads) * cpu::attending_pairs(any);
  const Work work{5 * pairs * static_cast<double>(any.channels),
                  sizeof(T) * 9.0 * static_cast<double>(q.shape().size())};
  dq.device().parallel(groups, work, [&](Index begin, Index end, int thread) {
    for (Index i = begin; i < end; ++i) {
      const Index image = i / terms.key_heads, keys = i % terms.key_heads;
      const auto of = [&](auto x, Index at) { return cpu::head_of(x, image, at, any.channels); };
      const auto in = [&](View<const T, Cpu> x, Index at) { return of(x, at); };
      const cpu::AttentionGradient<T> gradient(cpu::score_tiles<T>(q, k, v, terms, image));
      for (Index head = keys * share; head < (keys + 1) * share; ++head)
        gradient.run(in(q, head), in(k, keys), in(v, keys), in(y, head), in(dy, head),
                     cpu::head_of(View<const T, Cpu>(lse), image, head, 1), of(dq, head),
                     of(dk, keys), of(dv, keys), workspace.data() + thread * size);
    }
  });
}

/// The number of heads or images that work at the same time.
inline Index parallelism(const Cpu& device) { return device.threads(); }

}  // namespace retrace::inline RETRACE_ISA
