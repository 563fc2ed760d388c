// Couplings that scale: affine, and multiplicative.
#pragma once

#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/core/operations.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/layer/named_stage.hpp"

namespace retrace::inline RETRACE_ISA {

/// y₁ = x₁·e(s_F) + t_F with (s_F, t_F) = F(x₂),  y₂ = x₂·e(s_G) + t_G with (s_G, t_G) = G(y₁)
/// on the channel halves of x (Dinh et al. 2017, eq. 4, for both halves). The scale
/// e(s) = exp(bound·tanh s) stays between exp(−bound) and exp(bound), so it always divides out.
/// If a branch returns s alone, t is 0: the multiplicative coupling.
///
/// Shapes    x [N,H,W,C] with C even; F and G map [N,H,W,C/2] to [N,H,W,C] = (s, t), or to
///           [N,H,W,C/2] = s.
/// Inverse   x₂ = (y₂ − t_G)/e(s_G),  x₁ = (y₁ − t_F)/e(s_F). An error is multiplied by up to
///           exp(bound).
/// Backward  ds = dy·x·e′(s),  dt = dy,  dx = dy·e(s); each branch is evaluated once.
/// Log-det   Σ bound·tanh s_F + Σ bound·tanh s_G: each half has a triangular Jacobian with e(s) on
///           its diagonal (Dinh et al. 2017, eq. 6).
/// Stores    nothing between passes. In mode `stored`: x, y₁, both (s, t) and what F and G store.
template <Stage F, Stage G = F>
class AffineCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;
  using D = detail::DeviceOf<F>;

  /// @throws std::invalid_argument unless bound is positive and finite.
  AffineCoupling(F f, G g, double bound = 1)
      : f_{std::move(f), "f"}, g_{std::move(g), "g"}, bound_(bound) {
    if (!(bound > 0) || !std::isfinite(bound))
      throw std::invalid_argument("AffineCoupling: bound must be positive and finite, got " +
                                  std::to_string(bound));
  }

  /// @throws ShapeError if C is odd or a branch's output has neither C/2 nor C channels.
  Shape output_shape(Shape x) const {
    values_shape(f_, half_of(x));
    values_shape(g_, half_of(x));
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    auto [x1, x2] = halves(x.view());
    run_ = run;
    kept_.reset();
    const bool stores = mode_ == Mode::stored && run.keep;
    if (stores) kept_.emplace(Inputs{clone(x, Use::stash), {}, {}, {}});
    if (!stores) run = preview(run);
    State f_values = value(f_, x2, run);
    scale_to(x1, f_values, log_det);
    if (stores) {
      kept_->y1 = clone(x1, Use::stash);
      kept_->f_values = std::move(f_values).as(Use::stash);
    }
    State g_values = value(g_, x1, run);
    scale_to(x2, g_values, log_det);
    if (stores) kept_->g_values = std::move(g_values).as(Use::stash);
  }

  void inverse(State& y, Run run, LogDet<D>* log_det = nullptr) {
    auto [y1, y2] = halves(y.view());
    unscale(y2, value(g_, y1, preview(replay(run))), log_det);
    unscale(y1, value(f_, y2, preview(replay(run))), log_det);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    of_log_det_ = log_det ? log_det->gradient : 0;
    const Shape shape = kept_ ? kept_->x.shape() : y.shape();
    require_same_shape("AffineCoupling", "y", shape, "dy", dy.shape());
    auto [dy1, dy2] = halves(dy.view());
    if (kept_) {
      auto [x1, x2] = halves(std::as_const(kept_->x).view());
      differentiate(g_, x2, std::as_const(*kept_->y1).view(), *kept_->g_values, dy2, dy1);
      differentiate(f_, x1, x2, *kept_->f_values, dy1, dy2);
      y = std::move(kept_->x).as(Use::activation);
      kept_.reset();
    } else {
      auto [y1, y2] = halves(y.view());
      undo_scaling(g_, y2, y1, dy2, dy1);
      undo_scaling(f_, y1, y2, dy1, dy2);
    }
  }

  bool reads_output() const { return mode_ != Mode::stored; }
  void on_mode(Mode mode) { mode_ = mode; }
  void on_abandon() { kept_.reset(); }
  template <class V>
  void inside(V visit) {
    visit("f", f_.stage);
    visit("g", g_.stage);
  }

 private:
  using T = typename Gradient::Element;

  struct Inputs {
    State x;
    std::optional<State> y1, f_values, g_values;
  };

  template <class H>
  static Shape values_shape(const NamedStage<H>& branch, Shape half) {
    const Shape shape = branch.output_shape(half);
    if (shape != half && shape != with_channels(half, 2 * half.c))
      throw ShapeError("AffineCoupling: branch " + std::string(branch.name) + " makes " +
                       to_string(shape) + " of " + to_string(half) +
                       ", but must keep height and width, and keep or double the channels");
    return shape;
  }

  void scale_to(View<T, D> x, const State& values, LogDet<D>* log_det) const {
    if (!log_det) return scale_and_shift(x, values.view(), bound_);
    if constexpr (operations::LogDets<D, T>)
      scale_and_shift(x, values.view(), bound_, log_det->value.view());
    else
      refuse();
  }
  void unscale(View<T, D> y, const State& values, LogDet<D>* log_det) const {
    if (!log_det) return unscale_and_unshift(y, values.view(), bound_);
    if constexpr (operations::LogDets<D, T>)
      unscale_and_unshift(y, values.view(), bound_, log_det->value.view());
    else
      refuse();
  }
  [[noreturn]] static void refuse() {
    throw StateError("AffineCoupling: the device has no operations for log-determinants");
  }

  template <class H, class V>
  static State value(NamedStage<H>& branch, V source, Run run) {
    State values(source.device(), values_shape(branch, source.shape()));
    branch.apply(values.view(), source, run, Store::set);
    return values;
  }

  /// With x the scaled half's input and `values` those of the branch at `source`.
  template <class H, class Input, class Source, class V>
  void differentiate(NamedStage<H>& branch, Input x, Source source, State& values, V dtarget,
                     V dsource) {
    if (of_log_det_ == 0)
      scale_and_shift_backward(dtarget, x, values.view(), bound_);
    else if constexpr (operations::LogDets<D, T>)
      scale_and_shift_backward(dtarget, x, values.view(), bound_, of_log_det_);
    else
      refuse();
    branch.gradient(source, std::as_const(values).view(), dsource, Store::add);
  }

  template <class H, class V>
  void undo_scaling(NamedStage<H>& branch, V target, V source, V dtarget, V dsource) {
    State values = value(branch, source, replay(run_));
    unscale_and_unshift(target, values.view(), bound_);
    differentiate(branch, target, source, values, dtarget, dsource);
  }

  NamedStage<F> f_;
  NamedStage<G> g_;
  double bound_, of_log_det_ = 0;
  Mode mode_ = Mode::reversible;
  Run run_ = training;
  std::optional<Inputs> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
