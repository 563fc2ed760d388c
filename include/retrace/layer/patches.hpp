// An image as a sequence of its patches.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/core/sequence.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// Position t of y holds the pixels of patch t of x, row by row (Dosovitskiy et al. 2021, §3.1).
///
/// Shapes    x [N,H,W,C] with H and W multiples of p, y [N,1,(H/p)·(W/p),p·p·C].
/// Inverse   none is needed: x is never stored.
/// Backward  dx is dy permuted back.
/// Stores    nothing.
template <class T, Device D>
class Patches {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool reads_input = false;

  /// @throws std::invalid_argument unless the size is positive.
  explicit Patches(Index size) : size_(size) {
    if (size < 1)
      throw std::invalid_argument("Patches: the size must be positive, got " +
                                  std::to_string(size));
  }

  /// @throws ShapeError unless patches fill the images.
  Shape output_shape(Shape x) const {
    if (x.h % size_ != 0 || x.w % size_ != 0)
      throw ShapeError("Patches: x is " + to_string(x) +
                       " but height and width must be multiples of " + std::to_string(size_));
    return sequence(x.n, (x.h / size_) * (x.w / size_), size_ * size_ * x.c);
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("Patches", "y", y.shape(), "the patches of x", output_shape(x.shape()));
    for_each_row(x.shape(), [&](Index row, Index of_patch) {
      store_value(how, in_patches(y, x.shape(), row, of_patch), in_image(x, row));
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    for_each_row(x.shape(), [&](Index row, Index of_patch) {
      store_value(how, in_image(dx, row), in_patches(dy, x.shape(), row, of_patch));
    });
  }

  template <class V>
  void inside(V) {}

 private:
  /// Calls body(row of all images, row within a patch).
  template <class Body>
  void for_each_row(Shape x, Body body) const {
    for (Index row = 0; row < x.n * x.h; ++row) body(row, row % size_);
  }
  /// A row of an image: for each patch, p neighbouring pixels as one of p·C channels.
  template <class U>
  View<U, D> in_image(View<U, D> x, Index row) const {
    if (!x.packed())
      throw ShapeError("Patches: " + to_string(x.shape()) + " is a view of some of the channels");
    const Shape s = x.shape();
    return {x.device(), x.pixel(row * s.w), sequence(1, s.w / size_, size_ * s.c), size_ * s.c};
  }
  template <class U>
  View<U, D> in_patches(View<U, D> y, Shape x, Index row, Index of_patch) const {
    const Index wide = x.w / size_, part = size_ * x.c;
    return {y.device(), y.pixel(row / size_ * wide) + of_patch * part, sequence(1, wide, part),
            y.pitch()};
  }

  Index size_;
};

}  // namespace retrace::inline RETRACE_ISA
