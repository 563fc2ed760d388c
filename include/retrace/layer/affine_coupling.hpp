// Couplings that scale: affine, and multiplicative.
#pragma once

#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/layer/inside.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// y₁ = x₁·e(s_F) + t_F with (s_F, t_F) = F(x₂),  y₂ = x₂·e(s_G) + t_G with (s_G, t_G) = G(y₁)
/// on the channel halves of x (Dinh et al. 2017, eq. 4, for both halves). The scale
/// e(s) = exp(bound·tanh s) stays between exp(−bound) and exp(bound), so it always divides out.
/// With branches that give s alone, t is 0: the multiplicative coupling.
///
/// Shapes    x [N,H,W,C] with C even; F and G map [N,H,W,C/2] to [N,H,W,C] = (s, t), or to
///           [N,H,W,C/2] = s, and tell which by their output_shape().
/// Inverse   x₂ = (y₂ − t_G)/e(s_G),  x₁ = (y₁ − t_F)/e(s_F). An error comes back up to exp(bound)
///           times as large.
/// Backward  ds = dy·x·e′(s),  dt = dy,  dx = dy·e(s); each branch is evaluated once.
/// Stores    nothing between passes.
template <Branch F, Branch G = F>
class AffineCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;

  /// @throws std::invalid_argument unless bound is positive and finite.
  AffineCoupling(F f, G g, double bound = 1) : f_(std::move(f)), g_(std::move(g)), bound_(bound) {
    if (!(bound > 0) || !std::isfinite(bound))
      throw std::invalid_argument("AffineCoupling: bound must be positive and finite, got " +
                                  std::to_string(bound));
  }

  /// @throws ShapeError if C is odd or a branch's value has neither C/2 nor C channels.
  void forward(State& x, Run run) {
    run_ = run;
    auto [x1, x2] = halves(x.view());
    scale_and_shift(x1, value(f_, x2, preview(run)).view(), bound_);
    scale_and_shift(x2, value(g_, x1, preview(run)).view(), bound_);
  }

  void inverse(State& y, Run run) {
    auto [y1, y2] = halves(y.view());
    unscale_and_unshift(y2, value(g_, y1, preview(replay(run))).view(), bound_);
    unscale_and_unshift(y1, value(f_, y2, preview(replay(run))).view(), bound_);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy) {
    require_same_shape("AffineCoupling::backward", "y", y.shape(), "dy", dy.shape());
    auto [y1, y2] = halves(y.view());
    auto [dy1, dy2] = halves(dy.view());
    undo_scaling(g_, y2, y1, dy2, dy1);
    undo_scaling(f_, y1, y2, dy1, dy2);
  }

  void abandon() {
    abandon_of(f_);
    abandon_of(g_);
  }
  template <class List>
  void collect(const std::string& prefix, List& list) {
    collect_of(f_, joined(prefix, "f"), list);
    collect_of(g_, joined(prefix, "g"), list);
  }

 private:
  template <class H, class V>
  static State value(H& branch, V source, Run run) {
    const Shape shape = branch.output_shape(source.shape());
    const Index half = source.shape().c;
    if (shape != source.shape() && shape != with_channels(source.shape(), 2 * half))
      throw ShapeError("AffineCoupling: a branch makes " + to_string(shape) + " of " +
                       to_string(source.shape()) +
                       ", but has to keep the extents, and to keep or "
                       "double the channels");
    State values(source.device(), shape);
    branch.add_to(values.view(), source, run, Store::set);
    return values;
  }

  template <class H, class V>
  void undo_scaling(H& branch, V target, V source, V dtarget, V dsource) {
    State values = value(branch, source, replay(run_));
    unscale_and_unshift(target, values.view(), bound_);
    scale_and_shift_backward(dtarget, target, values.view(), bound_);
    branch.differentiate(source, std::as_const(values).view(), dsource);
  }

  F f_;
  G g_;
  double bound_;
  Run run_ = training;
};

}  // namespace retrace::inline RETRACE_ISA
