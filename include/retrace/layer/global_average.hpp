// The mean over the pixels of an image.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>

#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// y[n,c] = mean of x over the pixels of image n and, behind batch poolings, over all the
/// `sub_images` that they cut it into.
///
/// Shapes    x [N·sub_images,H,W,C], y [N,1,1,C].
/// Inverse   none.
/// Backward  dx = dy/(sub_images·H·W), the same for all pixels of an image.
/// Stores    the shape of x; and x, where it has to be restored.
template <class T, Device D>
class GlobalAverage {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless sub_images is positive.
  explicit GlobalAverage(Index sub_images = 1) : sub_images_(sub_images) {
    if (sub_images < 1)
      throw std::invalid_argument("GlobalAverage: sub_images must be positive, got " +
                                  std::to_string(sub_images));
  }

  /// @throws ShapeError unless the images are a multiple of sub_images.
  void forward(State& x, Run run) {
    if (x.shape().n % sub_images_ != 0)
      throw ShapeError("GlobalAverage::forward: x is " + to_string(x.shape()) +
                       " but its images have to be a multiple of " + std::to_string(sub_images_));
    State y(x.device(), averaged(x.shape()));
    global_average(y.view(), x.view());
    shape_ = run.keep ? std::optional(x.shape()) : std::nullopt;
    run.keep = run.keep && run.restore;
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "GlobalAverage::backward";
    if (!shape_) kept_.peek(where);  // says so
    require_same_shape(where, "y", averaged(*shape_), "dy", dy.shape());
    y = kept_.holds() ? kept_.give_back(where) : State::none(dy.device());
    Gradient dx(dy.device(), *shape_, Use::gradient);
    global_average_backward(dx.view(), dy.view());
    shape_.reset();
    dy = std::move(dx);
  }

  void abandon() {
    shape_.reset();
    kept_.abandon();
  }
  static constexpr bool reads_output() { return false; }

 private:
  Shape averaged(Shape x) const { return {x.n / sub_images_, 1, 1, x.c}; }

  Index sub_images_;
  std::optional<Shape> shape_;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
