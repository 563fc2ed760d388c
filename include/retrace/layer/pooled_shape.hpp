// The extents that poolings of 2 x 2 make and need.
#pragma once

#include <string>

#include "retrace/core/error.hpp"
#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// [N,H/2,W/2,C].
/// @throws ShapeError "MaxPooling: 2x7x8x16 cannot be halved: …" if H or W is odd.
inline Shape halved(const std::string& where, Shape shape) {
  if (shape.h % 2 != 0 || shape.w % 2 != 0)
    throw ShapeError(where + ": " + to_string(shape) +
                     " cannot be halved: height and width must be even");
  return {shape.n, shape.h / 2, shape.w / 2, shape.c};
}

}  // namespace retrace::inline RETRACE_ISA
