// Extents of an activation, a parameter or a gradient: four axes in NHWC order.
#pragma once

#include <cstdint>
#include <string>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

using Index = std::int64_t;

/// [N,H,W,C]: images, rows, columns, channels.
struct Shape {
  Index n = 1, h = 1, w = 1, c = 1;

  constexpr Index pixels() const { return n * h * w; }
  constexpr Index size() const { return pixels() * c; }
  constexpr bool operator==(const Shape&) const = default;
};

/// Stands for images, rows and columns of any number, where a network is built: a power of two that
/// no input reaches.
inline constexpr Index any_extent = 1 << 20;

/// One value per channel: the shape of a BatchNorm scale, and of every per-channel sum. Without
/// channels all extents are 0, since GCC 12 passes the constant {1, 1, 1, 0} as {1, 1, 1, 1} if it
/// compiles for AVX-512.
constexpr Shape per_channel(Index channels) {
  return channels == 0 ? Shape{0, 0, 0, 0} : Shape{1, 1, 1, channels};
}

/// The same pixels with another number of channels.
constexpr Shape with_channels(Shape shape, Index channels) {
  return {shape.n, shape.h, shape.w, channels};
}

/// "2x8x8x16", as error messages print it.
inline std::string to_string(Shape s) {
  return std::to_string(s.n) + 'x' + std::to_string(s.h) + 'x' + std::to_string(s.w) + 'x' +
         std::to_string(s.c);
}

}  // namespace retrace::inline RETRACE_ISA
