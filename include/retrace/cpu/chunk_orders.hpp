// The orders in which the positions of a sequence are cut into chunks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The rows of one head: row i of each is at data + i·pitch.
template <class T>
struct HeadRows {
  T* data = nullptr;
  Index pitch = 0;

  T* row(Index i) const { return data + i * pitch; }
};

/// Hands out parts of one block of memory.
template <class E>
class Arena {
 public:
  explicit Arena(std::span<E> memory) : rest_(memory) {}
  std::span<E> take(Index count) {
    const auto taken = rest_.first(static_cast<std::size_t>(count));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

 private:
  std::span<E> rest_;
};

/// The orders in which one head's positions are cut into chunks, one per round of hashing. Without
/// hashing there is one, that of the sequence, and nothing is stored.
struct ChunkOrders {
  static Index elements(Index positions, Index rounds, Index buckets) {
    return 3 * positions * rounds + buckets + 1;
  }

  /// Sorts positions by (bucket, position), a counting sort per round.
  /// @param of  bucket of position i in round r at of[i·stride + r]
  void sort(const std::uint16_t* of, Index stride, Index positions, Index rounds, Index buckets,
            Index chunk, Arena<std::int32_t> memory) {
    order = memory.take(positions * rounds);
    bucket = memory.take(positions * rounds);
    place = memory.take(positions * rounds);
    const std::span<std::int32_t> first = memory.take(buckets + 1);
    const auto n = static_cast<std::size_t>(positions);
    for (Index r = 0; r < rounds; ++r) {
      const std::size_t at = n * static_cast<std::size_t>(r);
      std::fill(first.begin(), first.end(), 0);
      for (std::size_t i = 0; i < n; ++i) {
        bucket[at + i] = of[static_cast<Index>(i) * stride + r];
        ++first[static_cast<std::size_t>(bucket[at + i]) + 1];
      }
      for (std::size_t b = 1; b < first.size(); ++b) first[b] += first[b - 1];
      for (std::size_t i = 0; i < n; ++i) {
        const std::int32_t slot = first[static_cast<std::size_t>(bucket[at + i])]++;
        order[at + static_cast<std::size_t>(slot)] = static_cast<std::int32_t>(i);
        place[at + i] = static_cast<std::int32_t>(slot / chunk);
      }
    }
  }
  bool hashed() const { return !order.empty(); }

  std::span<std::int32_t> order;   ///< by round and slot, the position
  std::span<std::int32_t> bucket;  ///< by round and position
  std::span<std::int32_t> place;   ///< by round and position, the number of its chunk
};

}  // namespace retrace::inline RETRACE_ISA::cpu
