// Locality-sensitive hashing of vectors by random rotations.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "retrace/core/shape.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// The number of buckets as a product of two even numbers, or of one and 1. A hash into b buckets
/// needs b/2 columns of a rotation, one into b₁·b₂ buckets (b₁ + b₂)/2.
struct LshBuckets {
  Index first = 2, second = 1;

  constexpr Index count() const { return first * second; }
  constexpr Index columns() const { return (first + (second > 1 ? second : 0)) / 2; }
};

/// The largest number of buckets, so that 16 bits hold the number of one.
inline constexpr Index most_lsh_buckets = 65534;

/// Returns at least `wanted` buckets; up to 32 are not factored.
inline LshBuckets factored(Index wanted) {
  const auto even = [](Index n) { return std::max<Index>(2, n + n % 2); };
  if (wanted <= 32) return {even(wanted), 1};
  const Index first = even(static_cast<Index>(std::sqrt(static_cast<double>(wanted))));
  return {first, even((wanted + first - 1) / first)};
}

/// Returns two buckets per chunk of a sequence: a chunk is twice as long as a bucket on average
/// (Kitaev et al. 2020, §2).
inline LshBuckets buckets_for(Index positions, Index chunk) {
  constexpr Index most = 65000;  // the product of its factors is below the limit
  return factored(std::min(most, 2 * ((positions + chunk - 1) / chunk)));
}

/// Returns elements [row, 2·pair] and [row, 2·pair + 1] of the rotation of a draw and a round: two
/// standard normal numbers.
inline std::array<double, 2> rotation_pair(std::uint64_t seed, std::uint64_t draw, Index round,
                                           Index row, Index pair) {
  return standard_normal(
      philox({static_cast<std::uint32_t>(pair),
              static_cast<std::uint32_t>(row) | static_cast<std::uint32_t>(round) << 20,
              static_cast<std::uint32_t>(draw), static_cast<std::uint32_t>(draw >> 32)},
             philox_key(seed ^ substream("lsh"))));
}

/// Returns the index of the largest of (x, −x), the hash of Andoni et al. 2015; the first one of
/// equals.
template <class T>
Index largest_of_signed(const T* x, Index n) {
  Index largest = 0, smallest = 0;
  for (Index i = 1; i < n; ++i) {
    if (x[i] > x[largest]) largest = i;
    if (x[i] < x[smallest]) smallest = i;
  }
  return x[largest] >= -x[smallest] ? largest : n + smallest;
}

/// Returns the bucket of a vector of which `rotated` are its products with the columns.
template <class T>
std::uint16_t lsh_bucket(const T* rotated, LshBuckets buckets) {
  Index bucket = largest_of_signed(rotated, buckets.first / 2);
  if (buckets.second > 1)
    bucket += buckets.first * largest_of_signed(rotated + buckets.first / 2, buckets.second / 2);
  return static_cast<std::uint16_t>(bucket);
}

}  // namespace retrace::inline RETRACE_ISA::math
