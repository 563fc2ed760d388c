// What augmentation does to an image: a shift and a mirroring, drawn for each image.
#pragma once

#include <cstdint>

#include "retrace/core/shape.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// Black pixels added on every side of an image before it is cropped to its size again.
inline constexpr std::uint32_t crop_padding = 4;

/// Where a crop starts relative to the image, and whether it is mirrored left to right.
struct CropFlip {
  Index top = 0, left = 0;  ///< -crop_padding to crop_padding
  bool flip = false;
  constexpr bool operator==(const CropFlip&) const = default;
};

namespace math {

/// The draw that belongs to an image in one stream of a seed.
constexpr CropFlip crop_flip(std::uint64_t seed, std::uint64_t stream, Index image) {
  Random random(seed, stream, static_cast<std::uint64_t>(image));
  const Index top = Index{random.below(2 * crop_padding + 1)} - Index{crop_padding};
  const Index left = Index{random.below(2 * crop_padding + 1)} - Index{crop_padding};
  return {top, left, random.below(2) == 1};
}

}  // namespace math

}  // namespace retrace::inline RETRACE_ISA
