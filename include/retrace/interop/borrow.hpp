// Views of memory that the user owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// Checks that a view's extents and pitch are valid.
/// @throws ShapeError if an extent is negative, the pitch is smaller than a pixel, or such a view
///         does not fit in the address space.
template <class T>
void require_countable(const std::string& where, Shape shape, Index pitch) {
  if (shape.n < 0 || shape.h < 0 || shape.w < 0 || shape.c < 0)
    throw ShapeError(where + ": " + to_string(shape) + " has a negative extent");
  if (shape.n == 0 || shape.h == 0 || shape.w == 0 || shape.c == 0) return;
  const std::string pixels =
      to_string(shape) + " with a pitch of " + std::to_string(pitch) + " elements";
  if (pitch < shape.c) throw ShapeError(where + ": the pixels of " + pixels + " overlap");
  Index most = std::numeric_limits<std::ptrdiff_t>::max() / Index{sizeof(T)};
  for (Index extent : {shape.n, shape.h, shape.w, pitch}) most /= extent;
  if (most == 0) throw ShapeError(where + ": " + pixels + " does not fit in the address space");
}

/// Checks that memory at `data` can be viewed as `shape` with a pitch of `pitch` elements.
/// @throws ShapeError as require_countable does.
/// @throws std::invalid_argument if there are elements but data is null or misaligned.
template <class T>
void require_viewable(const std::string& where, T* data, Shape shape, Index pitch) {
  require_countable<T>(where, shape, pitch);
  if (shape.n == 0 || shape.h == 0 || shape.w == 0 || shape.c == 0) return;
  if (!data) throw std::invalid_argument(where + ": the data is null");
  if (reinterpret_cast<std::uintptr_t>(data) % alignof(T) != 0)
    throw std::invalid_argument(where + ": the data is not aligned to " +
                                std::to_string(alignof(T)) + " bytes");
}

/// Returns a view of NHWC memory that the caller owns and keeps valid while the view is used.
/// Element c of pixel (n, h, w) is data[((n·H + h)·W + w)·pitch + c]. The memory need only be
/// aligned for T.
///
/// The meter does not count it. Operations and stages read and write it in place. A chain takes its
/// batch over, so pass clone(view) to it.
/// @param pitch  elements from one pixel to the next; 0 means the number of channels (packed
///   memory).
/// @throws as require_viewable does.
template <class T, Device D>
View<T, D> borrow(D& device, T* data, Shape shape, Index pitch = 0) {
  if (pitch == 0) pitch = shape.c;
  require_viewable("borrow", data, shape, pitch);
  return {device, data, shape, pitch};
}

}  // namespace retrace::inline RETRACE_ISA
