// Attention of one head within chunks of an order of its positions, and its gradient.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>

#include "retrace/core/chunk_attention.hpp"
#include "retrace/cpu/chunk_orders.hpp"
#include "retrace/cpu/exponential.hpp"
#include "retrace/cpu/matrix_tile.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// softmax(q·kᵀ·scale)·v over the pairs of a query and the keys of its own chunk and the one
/// before, and the one after if attention is not causal and nothing is hashed. With hashing, k =
/// q/|q|, a pair must have the same bucket, a position attends to itself only if to no other, and a
/// pair that c rounds have in common has the weight 1/c in each, so that it counts once.
///
/// One object serves one head after the other on one thread. Its workspace has
/// O(chunk·(chunk + channels) + positions·channels) elements.
template <class T>
class ChunkAttention {
 public:
  /// @param hashed  keys are normalised queries, and there are orders of all rounds
  ChunkAttention(const ChunkAttentionTerms& terms, Index positions, Index channels, bool hashed)
      : terms_(terms),
        n_(positions),
        m_(std::min(terms.chunk, std::max<Index>(positions, 1))),
        channels_(channels),
        wide_(rounded_up(channels, matrix_columns<T>)),
        behind_(!hashed && !terms.causal ? 3 : 2),
        keys_(rounded_up(behind_ * m_, matrix_columns<T>)),
        rounds_(hashed ? terms.rounds : 1),
        scale_(hashed ? T(1) : T(1) / std::sqrt(static_cast<T>(channels))) {}

  Index elements(bool backward) const {
    const Index pairs = m_ * keys_, rows = (m_ + keys_) * wide_;
    return backward ? 3 * pairs + 3 * rows + keys_ + 3 * n_
                    : 2 * pairs + 2 * rows + keys_ + (2 + wide_) * n_;
  }
  Index integers() const { return m_ + 2 * keys_; }

  /// Takes the workspace for one direction.
  void set_memory(Arena<T> memory, Arena<std::int32_t> integers, bool backward) {
    query_at_ = integers.take(m_);
    key_at_ = integers.take(keys_);
    matches_ = integers.take(keys_);
    score_ = memory.take(m_ * keys_);
    weight_ = memory.take(m_ * keys_);
    norm_ = memory.take(keys_);
    query_ = memory.take(m_ * wide_);
    value_ = memory.take(keys_ * wide_);
    key_columns_ = memory.take(keys_ * wide_);
    largest_ = memory.take(n_);
    sum_ = memory.take(n_);
    if (!backward) {
      result_ = memory.take(m_ * wide_);
      out_ = memory.take(n_ * wide_);
      return;
    }
    slope_ = memory.take(m_ * keys_);
    dout_ = memory.take(m_ * wide_);
    value_columns_ = key_columns_;  // after the scores, keys in columns are not needed
    result_ = memory.take(keys_ * wide_);
    dot_ = memory.take(n_);
  }

  /// @param k  without data if hashed
  void set_inputs(HeadRows<const T> q, HeadRows<const T> k, HeadRows<const T> v,
                  const ChunkOrders* orders) {
    q_ = q, k_ = k, v_ = v, orders_ = orders;
  }

  /// write(position, values) receives the output of every position once.
  template <class Write>
  void apply(Write write) {
    begin();
    std::fill(out_.begin(), out_.end(), T(0));
    for_each_tile([&](Index) {
      gather_rows(value_, v_, key_at_, keys_);
      for (Index i = 0; i < m_; ++i) scale_out(query_at_[at(i)], accumulate_row(i, nullptr));
      multiply(untransposed(score_, value_), m_, wide_);
      for (Index i = 0; i < m_; ++i)
        if (const Index position = query_at_[at(i)]; position >= 0)
          for (Index c = 0; c < wide_; ++c)
            out_[at(position * wide_ + c)] += result_[at(i * wide_ + c)];
    });
    for (Index i = 0; i < n_; ++i) {
      T* row = out_.data() + i * wide_;
      const T sum = sum_[at(i)];
      for (Index c = 0; c < channels_; ++c) row[c] = sum > 0 ? row[c] / sum : v_.row(i)[c];
      if (sum != sum)  // a NaN among the scores
        std::fill_n(row, channels_, sum);
      write(i, row);
    }
  }

  /// Adds sign times the gradients with respect to q, k and v. Hashed, dk is ignored.
  void gradient(HeadRows<const T> dy, HeadRows<T> dq, HeadRows<T> dk, HeadRows<T> dv, T sign) {
    begin();
    std::fill(dot_.begin(), dot_.end(), T(0));
    dy_ = dy;
    // Whole rows are in one tile if there is one round, and need no pass of their own.
    if (rounds_ > 1) for_each_tile([&](Index) { slopes_and_sums(); });
    for_each_tile([&](Index) {
      if (rounds_ == 1)
        slopes_and_sums();
      else
        slopes();
      differentiate(dq, dk, dv, sign);
    });
    for (Index i = 0; i < n_; ++i)
      if (sum_[at(i)] == 0)
        for (Index c = 0; c < channels_; ++c) dv.row(i)[c] += sign * dy.row(i)[c];
  }

 private:
  using Rows = std::span<T>;
  using Positions = std::span<std::int32_t>;
  static std::size_t at(Index i) { return static_cast<std::size_t>(i); }
  static constexpr T none = -std::numeric_limits<T>::infinity();

  void begin() {
    std::fill(largest_.begin(), largest_.end(), none);
    std::fill(sum_.begin(), sum_.end(), T(0));
  }

  /// Loads every tile: its queries, keys, scores and weights.
  template <class Body>
  void for_each_tile(Body body) {
    const Index chunks = (n_ + m_ - 1) / m_;
    for (round_ = 0; round_ < rounds_; ++round_)
      for (Index chunk = 0; chunk < chunks; ++chunk) {
        for (Index i = 0; i < m_; ++i) query_at_[at(i)] = position(chunk * m_ + i);
        for (Index j = 0; j < keys_; ++j)
          key_at_[at(j)] = j < behind_ * m_ ? position((chunk - 1) * m_ + j) : -1;
        load_scores();
        load_weights();
        body(chunk);
      }
  }

  /// The position in a slot of this round, or −1.
  std::int32_t position(Index slot) const {
    if (slot < 0 || slot >= n_) return -1;
    return orders_->hashed() ? orders_->order[at(round_ * n_ + slot)]
                             : static_cast<std::int32_t>(slot);
  }

  void gather_rows(Rows rows, HeadRows<const T> from, Positions positions, Index count) const {
    std::fill_n(rows.begin(), count * wide_, T(0));
    for (Index i = 0; i < count; ++i)
      if (positions[at(i)] >= 0)
        std::copy_n(from.row(positions[at(i)]), channels_, rows.data() + i * wide_);
  }

  void gather_columns(Rows columns, HeadRows<const T> from) const {
    std::fill(columns.begin(), columns.end(), T(0));
    for (Index j = 0; j < keys_; ++j)
      if (key_at_[at(j)] >= 0)
        for (Index c = 0; c < channels_; ++c)
          columns[at(c * keys_ + j)] = from.row(key_at_[at(j)])[c];
  }

  void load_scores() {
    gather_rows(query_, q_, query_at_, m_);
    gather_columns(key_columns_, k_.data ? k_ : q_);
    for (Index j = 0; j < keys_; ++j) {
      T squares = 0;
      if (!k_.data)
        for (Index c = 0; c < channels_; ++c)
          squares += key_columns_[at(c * keys_ + j)] * key_columns_[at(c * keys_ + j)];
      norm_[at(j)] = k_.data ? scale_ : squares > 0 ? T(1) / std::sqrt(squares) : T(0);
    }
    multiply<T>(
        {channels_, query_.data(), wide_, 1, key_columns_.data(), keys_, score_.data(), keys_}, m_,
        keys_);
    for (Index i = 0; i < m_; ++i)
      for (Index j = 0; j < keys_; ++j) score_[at(i * keys_ + j)] *= norm_[at(j)];
  }

  /// The weight of every pair: 0 if the query does not attend to the key, or 1 divided by the
  /// number of rounds in which it does.
  void load_weights() {
    for (Index i = 0; i < m_; ++i) {
      const Index query = query_at_[at(i)];
      T* weights = weight_.data() + i * keys_;
      if (query < 0) {
        std::fill_n(weights, keys_, T(0));
        continue;
      }
      const bool causal = terms_.causal, hashed = orders_->hashed();
      for (Index j = 0; j < keys_; ++j) {
        const Index key = key_at_[at(j)];
        const bool other = hashed ? key != query : true;
        weights[j] = key >= 0 && other && (!causal || key <= query) ? T(1) : T(0);
      }
      if (hashed) weigh_matches(query, weights);
    }
  }

  void weigh_matches(Index query, T* weights) {
    const auto of_round = [&](Positions list, Index round) { return list.data() + round * n_; };
    const std::int32_t* mine = of_round(orders_->bucket, round_);
    std::fill(matches_.begin(), matches_.end(), 0);
    for (Index r = 0; r < rounds_; ++r) {
      const std::int32_t *buckets = of_round(orders_->bucket, r),
                         *places = of_round(orders_->place, r);
      const std::int32_t bucket = buckets[query], place = places[query];
      for (Index j = 0; j < keys_; ++j) {
        const Index key = std::max<Index>(key_at_[at(j)], 0);
        matches_[at(j)] += static_cast<std::int32_t>(
            buckets[key] == bucket && static_cast<std::uint32_t>(place - places[key]) <= 1);
      }
    }
    for (Index j = 0; j < keys_; ++j) {
      const Index key = std::max<Index>(key_at_[at(j)], 0);
      weights[j] = mine[key] == mine[query]
                       ? weights[j] / static_cast<T>(std::max(matches_[at(j)], 1))
                       : T(0);
    }
  }

  /// Replaces the scores of row i by weight·exp(score − largest) and adds them to the sum of its
  /// position; `slopes`, if given, also to Σ p·slope. Returns what the earlier sums were multiplied
  /// by.
  T accumulate_row(Index i, const T* slopes) {
    constexpr int w = lanes<T>;
    T *scores = score_.data() + i * keys_, *weights = weight_.data() + i * keys_;
    const Index query = query_at_[at(i)];
    T most = query < 0 ? none : largest_[at(query)];
    for (Index j = 0; j < keys_; ++j)
      if (weights[j] > 0 && !(scores[j] <= most)) most = scores[j];
    if (query < 0 || most == none) {
      std::fill_n(scores, keys_, T(0));
      return T(1);
    }
    const T factor = std::exp(largest_[at(query)] - most);
    T sum = 0, dot = 0;
    Block<T, w> sums{}, dots{};
    for (Index j = 0; j < keys_; j += w) {
      const Block<T, w> weight = load<w>(weights + j);
      Block<T, w> p = exponential<T>(load<w>(scores + j) - most) * weight;
      p = weight > T(0) ? p : Block<T, w>{};
      save<w>(scores + j, p);
      sums += p;
      if (slopes) dots += p * load<w>(slopes + j);
    }
    for (int lane = 0; lane < w; ++lane) sum += sums[lane], dot += dots[lane];
    largest_[at(query)] = most;
    sum_[at(query)] = sum_[at(query)] * factor + sum;
    if (slopes) dot_[at(query)] = dot_[at(query)] * factor + dot;
    return factor;
  }

  void scale_out(Index position, T factor) {
    if (position >= 0 && factor != T(1))
      for (Index c = 0; c < wide_; ++c) out_[at(position * wide_ + c)] *= factor;
  }

  /// slope = dy·vᵀ.
  void load_slopes() {
    gather_rows(dout_, dy_, query_at_, m_);
    gather_columns(value_columns_, v_);
    multiply<T>(
        {channels_, dout_.data(), wide_, 1, value_columns_.data(), keys_, slope_.data(), keys_}, m_,
        keys_);
  }

  /// Leaves exp(score − largest so far) in the scores.
  void slopes_and_sums() {
    load_slopes();
    for (Index i = 0; i < m_; ++i) accumulate_row(i, slope_.data() + i * keys_);
  }
  /// The same, with the largest of all rounds.
  void slopes() {
    constexpr int w = lanes<T>;
    load_slopes();
    for (Index i = 0; i < m_; ++i) {
      const Index query = query_at_[at(i)];
      T *scores = score_.data() + i * keys_, *weights = weight_.data() + i * keys_;
      const T most = query >= 0 && sum_[at(query)] > 0 ? largest_[at(query)] : T(0);
      for (Index j = 0; j < keys_; j += w) {
        const Block<T, w> weight = load<w>(weights + j);
        const Block<T, w> p = exponential<T>(load<w>(scores + j) - most) * weight;
        save<w>(scores + j, weight > T(0) ? p : Block<T, w>{});
      }
    }
  }

  /// From p and slopes of the tile: dv += pᵀ·dy, ds = p·(slope − Σ p·slope), dq += ds·k, dk +=
  /// dsᵀ·q.
  void differentiate(HeadRows<T> dq, HeadRows<T> dk, HeadRows<T> dv, T sign) {
    for (Index i = 0; i < m_; ++i) {
      const Index query = query_at_[at(i)];
      const T sum = query >= 0 ? sum_[at(query)] : T(0);
      const T inverse = sum != T(0) ? T(1) / sum : T(0);
      const T mean = query >= 0 ? dot_[at(query)] * inverse : T(0);
      for (Index j = 0; j < keys_; ++j) {
        T &p = score_[at(i * keys_ + j)], &slope = slope_[at(i * keys_ + j)];
        p *= inverse;
        slope = p * (slope - mean) * norm_[at(j)];
      }
    }
    product_into(dv, key_at_, keys_, transposed(score_, dout_), sign);
    gather_rows(value_, k_.data ? k_ : q_, key_at_, keys_);  // keys, not normalised
    product_into(dq, query_at_, m_, untransposed(slope_, value_), sign);
    if (k_.data)
      product_into(dk, key_at_, keys_, transposed(slope_, query_), sign);
    else
      keys_into(dq, sign);
  }

  /// The product pairs·b or pairsᵀ·b of a [queries, keys] matrix and rows of channels.
  Product<T> untransposed(Rows pairs, Rows b) const {
    return {keys_, pairs.data(), keys_, 1, b.data(), wide_, result_.data(), wide_};
  }
  Product<T> transposed(Rows pairs, Rows b) const {
    return {m_, pairs.data(), 1, keys_, b.data(), wide_, result_.data(), wide_};
  }

  /// rows[position] += sign·product[row] for the first `count` rows of the product.
  void product_into(HeadRows<T> rows, Positions positions, Index count, const Product<T>& product,
                    T sign) {
    multiply(product, count, wide_);
    for (Index i = 0; i < count; ++i)
      if (positions[at(i)] >= 0)
        for (Index c = 0; c < channels_; ++c)
          rows.row(positions[at(i)])[c] += sign * result_[at(i * wide_ + c)];
  }

  /// Through k = q/|q|: dq += g − (g·q)·q/|q|² for g = dk/|q|.
  void keys_into(HeadRows<T> dq, T sign) {
    multiply(transposed(slope_, query_), keys_, wide_);
    for (Index j = 0; j < keys_; ++j) {
      if (key_at_[at(j)] < 0) continue;
      const T *g = result_.data() + j * wide_, *key = value_.data() + j * wide_;
      T dot = 0;
      for (Index c = 0; c < channels_; ++c) dot += g[c] * key[c];
      dot *= norm_[at(j)] * norm_[at(j)];
      T* to = dq.row(key_at_[at(j)]);
      for (Index c = 0; c < channels_; ++c) to[c] += sign * (g[c] - dot * key[c]);
    }
  }

  ChunkAttentionTerms terms_;
  Index n_, m_, channels_, wide_, behind_, keys_, rounds_, round_ = 0;
  T scale_;
  HeadRows<const T> q_, k_, v_, dy_;
  const ChunkOrders* orders_ = nullptr;
  Positions query_at_, key_at_;  ///< of the tile's rows; −1: none
  std::span<std::int32_t> matches_;
  Rows query_, key_columns_, value_, value_columns_, norm_, score_, weight_, slope_, dout_, result_;
  Rows out_, largest_, sum_, dot_;  ///< by position
};

}  // namespace retrace::inline RETRACE_ISA::cpu
