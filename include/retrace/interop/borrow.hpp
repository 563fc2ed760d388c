// Views of memory that is the user's own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// @throws ShapeError if an extent is negative, the pitch is smaller than a pixel, or such a view
///         has more bytes than an address can count.
template <class T>
void require_countable(const std::string& where, Shape shape, Index pitch) {
  if (shape.n < 0 || shape.h < 0 || shape.w < 0 || shape.c < 0)
    throw ShapeError(where + ": " + to_string(shape) + " has a negative extent");
  if (shape.n == 0 || shape.h == 0 || shape.w == 0 || shape.c == 0) return;
  const std::string pixels =
      to_string(shape) + " with pixels " + std::to_string(pitch) + " elements apart";
  if (pitch < shape.c) throw ShapeError(where + ": in " + pixels + " they overlap");
  Index most = std::numeric_limits<std::ptrdiff_t>::max() / Index{sizeof(T)};
  for (Index extent : {shape.n, shape.h, shape.w, pitch}) most /= extent;
  if (most == 0)
    throw ShapeError(where + ": " + pixels + " has more bytes than an address can count");
}

/// Throws unless memory at `data` may be viewed as `shape`, its pixels `pitch` elements apart.
/// @throws ShapeError as require_countable.
/// @throws std::invalid_argument if there are elements, but data is null or not aligned for them.
template <class T>
void require_viewable(const std::string& where, T* data, Shape shape, Index pitch) {
  require_countable<T>(where, shape, pitch);
  if (shape.n == 0 || shape.h == 0 || shape.w == 0 || shape.c == 0) return;
  if (!data) throw std::invalid_argument(where + ": the data is null");
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0)
    throw std::invalid_argument(where + ": the data is not aligned to " +
                                std::to_string(alignof(T)) + " bytes");
}

/// A view of NHWC memory that the caller owns and keeps for as long as the view is used. Element c
/// of pixel (n, h, w) is data[((n·H + h)·W + w)·pitch + c]; the alignment of T is enough.
///
/// The meter does not count it. Operations and stages read and write it in place; a chain, which
/// takes its batch over, is given clone(view).
/// @param pitch  elements from one pixel to the next; 0: the channels, as of packed memory.
/// @throws as require_viewable.
template <class T, Device D>
View<T, D> borrow(D& device, T* data, Shape shape, Index pitch = 0) {
  if (pitch == 0) pitch = shape.c;
  require_viewable("borrow", data, shape, pitch);
  return {device, data, shape, pitch};
}

}  // namespace retrace::inline RETRACE_ISA
