// The mean over the pixels of an image.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y[n,c] = mean of x over the pixels of image n and, behind batch poolings, over all the
/// `sub_images` that they cut it into.
///
/// Shapes    x [N·sub_images,H,W,C], y [N,1,1,C].
/// Inverse   none.
/// Backward  dx = dy/(sub_images·H·W), the same for all pixels of an image.
/// Stores    nothing; the chain stores the shape of x.
template <class T, Device D>
class GlobalAverage {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool reads_input = false;

  /// @throws std::invalid_argument unless sub_images is positive.
  explicit GlobalAverage(Index sub_images = 1) : sub_images_(sub_images) {
    if (sub_images < 1)
      throw std::invalid_argument("GlobalAverage: sub_images must be positive, got " +
                                  std::to_string(sub_images));
  }

  /// @throws ShapeError unless the number of images is a multiple of sub_images.
  Shape output_shape(Shape x) const {
    if (x.n % sub_images_ != 0)
      throw ShapeError("GlobalAverage: x is " + to_string(x) +
                       " but its number of images must be a multiple of " +
                       std::to_string(sub_images_));
    return {x.n / sub_images_, 1, 1, x.c};
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("GlobalAverage", "y", y.shape(), "the means of x", output_shape(x.shape()));
    store_by(how, y, Use::activation, [&](View<T, D> value) { global_average(value, x); });
  }
  void gradient(View<const T, D>, View<const T, D> dy, View<T, D> dx, Store how) const {
    store_by(how, dx, Use::gradient, [&](View<T, D> value) { global_average_backward(value, dy); });
  }

  template <class V>
  void inside(V) {}

 private:
  Index sub_images_;
};

}  // namespace retrace::inline RETRACE_ISA
