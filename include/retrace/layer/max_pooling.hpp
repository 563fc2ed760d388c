// Max pooling over windows of 2 x 2.
#pragma once

#include <cstdint>
#include <optional>

#include "retrace/layer/kept.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/pooled_shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// y[n,i,j,c] = max of x[n,2i..2i+1,2j..2j+1,c].
///
/// Shapes    x [N,H,W,C] with H and W even, y [N,H/2,W/2,C].
/// Inverse   none.
/// Backward  dy goes to the first largest element of its window, 0 to the others.
/// Stores    the position of that element, one byte per element of y; and x if it must be restored.
template <class T, Device D>
class MaxPooling {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws ShapeError if H or W is odd.
  Shape output_shape(Shape x) const { return halved("MaxPooling", x); }

  void forward(State& x, Run run) {
    const Shape pooled = output_shape(x.shape());
    State y(x.device(), pooled);
    Indices largest(x.device(), pooled, Use::stash);
    max_pool(y.view(), largest.view(), x.view());
    largest_.reset();
    if (run.keep) largest_.emplace(std::move(largest));
    run.keep = run.keep && run.restore;
    kept_.take_over(std::move(x), run);
    x = std::move(y);
  }

  void backward(State& y, Gradient& dy) {
    constexpr const char* where = "MaxPooling";
    if (!largest_)
      throw StateError(std::string(where) +
                       ": no forward pass has stored its choices; run forward "
                       "with `training` first");
    const Shape pooled = largest_->shape(), shape{pooled.n, 2 * pooled.h, 2 * pooled.w, pooled.c};
    require_same_shape(where, "y", pooled, "dy", dy.shape());
    y = kept_.holds() ? kept_.give_back(where) : State::none(dy.device());
    Gradient dx(dy.device(), shape, Use::gradient);
    max_pool_backward(dx.view(), dy.view(), largest_->view());
    largest_.reset();
    dy = std::move(dx);
  }

  static constexpr bool reads_output() { return false; }
  void on_abandon() {
    largest_.reset();
    kept_.abandon();
  }
  template <class V>
  void inside(V) {}

 private:
  using Indices = Tensor<std::uint8_t, D>;

  std::optional<Indices> largest_;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
