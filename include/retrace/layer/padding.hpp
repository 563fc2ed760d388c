// Padding of images to sizes that a network can halve.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y is x with rows of zeros below and columns of zeros to the right, so that its height and width
/// are multiples of m.
///
///     net.add("padding", make.padding(8));  // 28 x 28 becomes 32 x 32
///
/// Shapes    x [N,H,W,C], y [N,⌈H/m⌉·m,⌈W/m⌉·m,C].
/// Inverse   none.
/// Backward  dx is dy without the added pixels.
/// Stores    nothing; the chain stores the shape of x.
template <class T, Device D>
class Padding {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool reads_input = false;

  /// @throws std::invalid_argument unless the multiple is positive.
  explicit Padding(Index multiple) : multiple_(multiple) {
    if (multiple < 1)
      throw std::invalid_argument("Padding: the multiple must be positive, got " +
                                  std::to_string(multiple));
  }

  Shape output_shape(Shape x) const { return {x.n, padded(x.h), padded(x.w), x.c}; }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("Padding", "y", y.shape(), "the padded x", output_shape(x.shape()));
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      fill(value, T(0));
      for (Index n = 0; n < x.shape().n; ++n)
        copy(rows(value, n, x.shape()), rows(x, n, x.shape()));
    });
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    store_by(how, dx, Use::gradient, [&](View<T, D> value) {
      for (Index n = 0; n < x.shape().n; ++n)
        copy(rows(value, n, x.shape()), rows(dy, n, x.shape()));
    });
  }

  template <class V>
  void inside(V) {}

 private:
  Index padded(Index size) const { return (size + multiple_ - 1) / multiple_ * multiple_; }

  /// The top left part of image n that has the height and width of `part`: each row as one pixel of
  /// many channels.
  template <class U>
  static View<U, D> rows(View<U, D> x, Index n, Shape part) {
    if (!x.packed())
      throw ShapeError("Padding: " + to_string(x.shape()) + " is a view of some of the channels");
    return {x.device(),
            x.data() + n * x.shape().h * x.shape().w * x.shape().c,
            {1, 1, part.h, part.w * part.c},
            x.shape().w * x.shape().c};
  }

  Index multiple_;
};

}  // namespace retrace::inline RETRACE_ISA
