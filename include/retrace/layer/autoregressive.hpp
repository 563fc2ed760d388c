// The autoregressive layer of flows for tables.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>

#include "retrace/layer/kept.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/layer/named_stage.hpp"
#include "retrace/math/flow_maps.hpp"

namespace retrace::inline RETRACE_ISA {

/// yᵢ = m(xᵢ; Fᵢ(x₁ … xᵢ₋₁)): a map m of every channel, with parameters that F makes from the
/// channels before it (Papamakarios et al. 2017). Densities are **fast**: one evaluation of F.
/// Samples are **slow**: inverse evaluates F up to C times, because channel i needs those before
/// it.
///
/// Shapes    x, y [N,H,W,C]; F maps it to [N,H,W,p·C] for a map of p parameters and is masked: the
///           parameters of channel i depend on channels before i alone (FlowParts::masked_branch).
/// Inverse   x = m⁻¹(y; F(x)), repeated until x does not change, at most C times: after k times the
///           first k channels are right.
/// Backward  of m at x, then of F; F is evaluated once.
/// Log-det   Σ log|m′(xᵢ)|: the Jacobian is triangular (ibid., eq. 5).
/// Stores    x; in mode `inverted` nothing, and backward begins with an inverse.
template <Stage F, class Map>
class Autoregressive {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;
  using D = detail::DeviceOf<F>;
  using T = typename Gradient::Element;

  Autoregressive(F f, const Map& map) : f_{std::move(f), "f"}, map_(map) {
    if constexpr (requires { map_.require(); }) map_.require();
  }

  /// @throws ShapeError unless F makes the parameters of all channels.
  Shape output_shape(Shape x) const {
    require_same_shape("Autoregressive", "the output of F", f_.output_shape(x),
                       "the parameters of the map", values_shape(x));
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    run_ = run;
    const State values = parameters(x, preview(run));
    kept_.abandon();
    if (run.keep && !inverts_) kept_.take_over(clone(x), run);
    map_elements(x.view(), values.view(), map_, Pixels::all, sums(log_det));
  }

  void inverse(State& y, Run run, LogDet<D>* log_det = nullptr) {
    const Run again = preview(replay(run));
    State x(y.device(), y.shape(), y.use());
    fill(x.view(), T(0));
    for (Index i = 0; i < std::max<Index>(y.shape().c, 1); ++i) {
      State next = clone(y);
      unmap(next, parameters(x, again), nullptr);
      add(x.view(), std::as_const(next).view(), Store::subtract);
      const bool same = sum_of_squares(std::as_const(x).view()) == 0;
      x = std::move(next);
      if (same) break;
    }
    if (log_det) unmap(y, parameters(x, again), log_det);
    x.set_pass(y.pass());
    y = std::move(x);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    if (kept_.holds())
      y = kept_.give_back("Autoregressive");
    else
      inverse(y, run_);
    require_same_shape("Autoregressive", "y", y.shape(), "dy", dy.shape());
    State values = parameters(y, replay(run_));
    map_elements_backward(dy.view(), y.view(), values.view(), map_, Pixels::all,
                          log_det ? log_det->gradient : 0);
    f_.gradient(std::as_const(y).view(), std::as_const(values).view(), dy.view(), Store::add);
  }

  bool reads_output() const { return inverts_; }
  void on_mode(Mode mode) { inverts_ = mode == Mode::inverted; }
  void on_abandon() { kept_.abandon(); }
  template <class V>
  void inside(V visit) {
    visit("f", f_.stage);
  }

 private:
  Shape values_shape(Shape x) const { return with_channels(x, x.c * map_.parameters()); }

  State parameters(const State& x, Run run) {
    State values(x.device(), values_shape(x.shape()));
    f_.apply(values.view(), x.view(), run, Store::set);
    return values;
  }
  void unmap(State& y, const State& values, LogDet<D>* log_det) const {
    unmap_elements(y.view(), values.view(), map_, Pixels::all, sums(log_det));
  }
  static std::optional<View<double, D>> sums(LogDet<D>* log_det) {
    return log_det ? std::optional(log_det->value.view()) : std::nullopt;
  }

  NamedStage<F> f_;
  Map map_;
  bool inverts_ = false;
  Run run_ = training;
  Kept<State> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
