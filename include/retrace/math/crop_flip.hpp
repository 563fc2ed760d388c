// Random crops and flips that augment an image.
#pragma once

#include <cstdint>

#include "retrace/core/shape.hpp"
#include "retrace/math/philox.hpp"

namespace retrace {

/// Random crops and flips: the draws of one random stream of a seed.
///
/// Plain data, identical for every instruction set, so compiled kernels can take it.
struct CropFlips {
  bool draws = false;  ///< false leaves every image unchanged
  std::uint64_t seed = 0, stream = 0;
  /// Pixels of mirror padding on every side of an image before it is cropped to its original size.
  std::uint32_t padding = 4;
};

inline namespace RETRACE_ISA {

/// The offset of a crop relative to the image, and whether it is mirrored left to right.
struct CropFlip {
  Index top = 0, left = 0;
  bool flip = false;
  constexpr bool operator==(const CropFlip&) const = default;
};

namespace math {

/// Returns the row or column that appears at i, which may lie outside an image of `size` rows or
/// columns. The image is mirrored about its first and last line, which are not repeated.
constexpr Index mirrored(Index i, Index size) {
  if (i >= 0 && i < size) return i;
  if (size == 1) return 0;
  const Index period = 2 * (size - 1);
  const Index at = (i < 0 ? -i : i) % period;
  return at < size ? at : period - at;
}

/// Returns the crop and flip of an image.
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
