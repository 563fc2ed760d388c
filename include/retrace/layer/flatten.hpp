// Images as one pixel of many channels.
#pragma once

#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// [N,H,W,C] becomes [N,1,1,H·W·C], element by element in the order of memory.
///
/// Inverse   [N,1,1,H·W·C] becomes [N,H,W,C].
/// Backward  as the inverse.
/// Log-det   0.
/// Stores    nothing.
template <class T, Device D>
class Flatten {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool volume_preserving = true;

  /// @param image  [1,H,W,C]
  explicit Flatten(Shape image) : image_(image) {}

  Index input_channels() const { return image_.c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("Flatten", "x", x, image_.c);
    return {x.n, 1, 1, image_.h * image_.w * image_.c};
  }

  /// @throws ShapeError unless x has images of H, W and C.
  void forward(State& x, Run) {
    require_same_shape("Flatten", "an image of x", {1, x.shape().h, x.shape().w, x.shape().c},
                       "the image that it flattens", {1, image_.h, image_.w, image_.c});
    x.reshape(output_shape(x.shape()));
  }
  void inverse(State& y, Run) { restore(y); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("Flatten", "y", y.shape(), "dy", dy.shape());
    restore(y);
    restore(dy);
  }

  template <class V>
  void inside(V) {}

 private:
  void restore(State& y) const { y.reshape({y.shape().n, image_.h, image_.w, image_.c}); }

  Shape image_;
};

}  // namespace retrace::inline RETRACE_ISA
