// A scale, and a shift, of every element of an image.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

#include "retrace/layer/exp_scale.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = exp(s)·x + b with one s and one b for every element of an image: the diagonal scaling behind
/// the couplings of NICE (Dinh et al. 2015, §3.3). In front of a normal or logistic prior it is one
/// whose mean and deviation are learned.
///
/// Shapes    x, y [N,H,W,C]; s, b [H,W,C].
/// Inverse   x = (y − b)·exp(−s).
/// Backward  ds += Σ dy·(y − b) and db += Σ dy over the images,  dx = exp(s)·dy.
/// Log-det   Σ s.
/// Stores    nothing.
template <class T, Device D>
class ElementScale {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param image  [1,H,W,C]
  ElementScale(D& device, Shape image)
      : log_scale_(device, flat(image), false), bias_(device, flat(image), false), image_(image) {}

  Index input_channels() const { return image_.c; }
  /// @throws ShapeError unless x has C channels.
  Shape output_shape(Shape x) const {
    require_channels("ElementScale", "x", x, image_.c);
    return x;
  }

  /// @throws ShapeError unless x has images of H, W and C.
  void forward(State& x, Run, LogDet<D>* log_det = nullptr) {
    require_image(x);
    const ExpScale at(log_scale_, bias_);
    normalise_activate(rows(x), rows(x), at.norm(), identity);
    if (log_det) add_log_det(*log_det, x.shape(), 1);
  }
  void inverse(State& y, Run, LogDet<D>* log_det = nullptr) {
    require_image(y);
    const ExpScale at(log_scale_, bias_);
    invert_normalise_activate(rows(y), at.norm(), identity);
    if (log_det) add_log_det(*log_det, y.shape(), -1);
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("ElementScale", "y", y.shape(), "dy", dy.shape());
    const ExpScale at(log_scale_, bias_), slopes(log_scale_);
    Parameter<T, D>::accumulate(log_scale_, bias_, [&](View<T, D> ds, View<T, D> db) {
      const Index size = flat(image_).c;
      Tensor<double, D> sums(y.device(), {1, 1, 2, size}, Use::workspace);
      normalise_activate_sums(sums.view(), rows(y), rows(dy), at.norm(), identity);
      std::vector<double> both = to_host(sums.view());
      const auto middle = both.begin() + static_cast<std::ptrdiff_t>(size);
      if (log_det)
        for (auto s = middle; s != both.end(); ++s)
          *s += log_det->gradient * static_cast<double>(y.shape().n);
      add_from_host(db, {both.begin(), middle});
      add_from_host(ds, {middle, both.end()});
    });
    normalise_activate(rows(dy), rows(dy), slopes.norm(), identity);
    invert_normalise_activate(rows(y), at.norm(), identity);
  }

  template <class V>
  void inside(V visit) {
    visit("log_scale", log_scale_);
    visit("bias", bias_);
  }

 private:
  void require_image(const State& x) const {
    require_same_shape("ElementScale", "an image", {1, x.shape().h, x.shape().w, x.shape().c},
                       "the scale", {1, image_.h, image_.w, image_.c});
  }
  static Shape flat(Shape image) { return per_channel(image.h * image.w * image.c); }
  /// Each image as one pixel of many channels.
  static View<T, D> rows(State& x) {
    const Index size = x.shape().h * x.shape().w * x.shape().c;
    return {x.device(), x.data(), {x.shape().n, 1, 1, size}, size};
  }

  void add_log_det(LogDet<D>& log_det, Shape x, double sign) const {
    double sum = 0;
    for (const double s : to_host(log_scale_.value.view())) sum += s;
    add_to_all(log_det, sign * sum, {x.n, 1, 1, 1});
  }

  Parameter<T, D> log_scale_, bias_;
  Shape image_;
};

}  // namespace retrace::inline RETRACE_ISA
