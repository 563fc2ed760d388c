// What augmentation does to an image: a shift and a mirroring, drawn for each image.
#pragma once

#include <cstdint>

#include "retrace/core/shape.hpp"
#include "retrace/math/philox.hpp"

namespace retrace {

/// Which shifts and mirrorings: those of one stream of a seed. Without functions, it is the same
/// for every instruction set, and compiled kernels take it.
struct CropFlips {
  bool draws = false;  ///< if not, every image stays as it is
  std::uint64_t seed = 0, stream = 0;
  /// Pixels added on every side of an image, mirrored, before it is cropped to its size again.
  std::uint32_t padding = 4;
};

inline namespace RETRACE_ISA {

/// Where a crop starts relative to the image, and whether it is mirrored left to right.
struct CropFlip {
  Index top = 0, left = 0;
  bool flip = false;
  constexpr bool operator==(const CropFlip&) const = default;
};

namespace math {

/// The row or column of an image of `size` rows or columns that is seen at i, which may lie
/// outside: the image goes on mirrored about its first and its last one, which are not repeated.
constexpr Index mirrored(Index i, Index size) {
  if (i >= 0 && i < size) return i;
  if (size == 1) return 0;
  const Index period = 2 * (size - 1);
  const Index at = (i < 0 ? -i : i) % period;
  return at < size ? at : period - at;
}

/// The draw that belongs to an image.
constexpr CropFlip crop_flip(const CropFlips& of, Index image) {
  if (!of.draws) return {};
  Random random(of.seed, of.stream, static_cast<std::uint64_t>(image));
  const Index top = Index{random.below(2 * of.padding + 1)} - Index{of.padding};
  const Index left = Index{random.below(2 * of.padding + 1)} - Index{of.padding};
  return {top, left, random.below(2) == 1};
}

}  // namespace math

}  // namespace RETRACE_ISA
}  // namespace retrace
