// A stage that reads the time.
#pragma once

#include <utility>

#include "retrace/core/time.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/layer/store_by.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = x + t·w at every pixel. Behind a Linear or Conv2d it is their input [x, t].
///
/// Shapes    x, y [N,H,W,C], w [C]; t is one number, or one per image.
/// Inverse   none.
/// Backward  dx = dy,  dw += Σ t·dy.
/// Tangent   w = u;  du = dw.
/// Stores    t.
template <class T, Device D>
class TimeShift {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool in_place = true;
  static constexpr bool reads_input = false;

  /// Draws w from a normal distribution of deviation 0.1.
  TimeShift(D& device, Index channels, Random& random)
      : weight_(device, per_channel(channels), true) {
    he_normal(weight_.value, 200, random);
  }

  Index input_channels() const { return weight_.value.shape().c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("TimeShift", "x", x, input_channels());
    return x;
  }
  /// Sets t for all later calls, until it is set again.
  void on_time(const Time& time) { time_ = time; }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("TimeShift", "y", y.shape(), "x", output_shape(x.shape()));
    store_by(how, y, Use::activation, [&](View<T, D> value) {
      copy_unless_same(value, x);
      for_each_time(value, [&](View<T, D> images, double t) {
        const State shift = scaled(weight_.value, t);
        add_to_pixels(images, shift.view());
      });
    });
  }
  void gradient(View<const T, D>, View<const T, D> dy, View<T, D> dx, Store how) {
    weight_.accumulate([&](View<T, D> dw) {
      for_each_time(dy, [&](View<const T, D> images, double t) {
        State sum(dw.device(), dw.shape(), Use::workspace);
        fill(sum.view(), T(0));
        add_pixel_sums(sum.view(), images);
        scale(sum.view(), t);
        add(dw, std::as_const(sum).view());
      });
    });
    if (how != Store::set || dx.data() != dy.data()) store_value(how, dx, dy);
  }

  void tangent(View<T, D> w, View<const T, D>, View<const T, D> u) const { copy(w, u); }
  void tangent_gradient(View<const T, D>, View<const T, D>, View<const T, D> dw, View<T, D>,
                        View<T, D> du) const {
    copy(du, dw);
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_);
  }

  Parameter<T, D>& weight() { return weight_; }

 private:
  static State scaled(const State& weight, double t) {
    State shift = clone(weight, Use::workspace);
    scale(shift.view(), t);
    return shift;
  }
  /// Calls act(images, t) for all images, or for each one if they have times of their own.
  template <class V, class Act>
  void for_each_time(V x, Act act) const {
    if (time_.common()) return act(x, time_.of_all);
    for (Index i = 0; i < x.shape().n; ++i) act(x.images(i, 1), time_(i));
  }

  Parameter<T, D> weight_;
  Time time_;
};

}  // namespace retrace::inline RETRACE_ISA
