// The split of a network's gradients into buckets, each of which is summed at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// One parameter's place in the buckets.
struct BucketPart {
  std::size_t parameter;  ///< its index in the list
  std::size_t first;      ///< its first element in the bucket
  std::size_t count;      ///< its elements
};

/// Parameters whose gradients are summed together.
struct Bucket {
  std::vector<BucketPart> parts;
  std::size_t count = 0;  ///< elements of all of them
};

/// Buckets are filled from the last parameter to the first, the order of a backward pass. A bucket
/// has at most `most` elements, or one parameter. A small network gets at least `least_buckets`
/// buckets, if it has as many parameters, so that the sums of its last layers begin while earlier
/// layers are being reconstructed.
inline std::vector<Bucket> make_buckets(std::span<const std::size_t> counts, std::size_t most,
                                        std::size_t least_buckets = 8) {
  std::size_t all = 0;
  for (std::size_t count : counts) all += count;
  const std::size_t limit = std::max<std::size_t>(1, std::min(most, all / least_buckets));
  std::vector<Bucket> buckets;
  for (std::size_t i = counts.size(); i-- > 0;) {
    if (counts[i] == 0) continue;
    if (buckets.empty() || buckets.back().count + counts[i] > limit) buckets.emplace_back();
    Bucket& bucket = buckets.back();
    bucket.parts.push_back({i, bucket.count, counts[i]});
    bucket.count += counts[i];
  }
  return buckets;
}

}  // namespace retrace::inline RETRACE_ISA
