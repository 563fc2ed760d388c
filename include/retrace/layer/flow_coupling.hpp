// The coupling of flows: a map of one part of the elements, with parameters made from the rest.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/layer/log_det.hpp"
#include "retrace/layer/named_stage.hpp"
#include "retrace/math/flow_maps.hpp"

namespace retrace::inline RETRACE_ISA {

/// The elements that a coupling maps, and those that it reads: by channels or by a checkerboard.
struct Split {
  Index first = 0;              ///< channels of the first part; 0 for half of them, rounded up
  bool maps_first = false;      ///< maps the first part instead of the rest
  Pixels mapped = Pixels::all;  ///< on a checkerboard: maps all channels of these pixels
};

/// y_B = m(x_B; F(x_A)),  y_A = x_A: a map m of the elements in B, whose parameters F makes from
/// those in A (Dinh et al. 2015, eq. 3; 2017, eq. 8 for masks). A and B are parts of the channels,
/// not necessarily halves, or the two colours of a checkerboard, of which F sees the other as 0.
///
/// Shapes    x, y [N,H,W,C]; F maps [N,H,W,A] to [N,H,W,p·B] for a map of p parameters. On a
///           checkerboard, C to p·C.
/// Inverse   x_B = m⁻¹(y_B; F(y_A)): F needs no inverse.
/// Backward  of m at x_B, then of F; F is evaluated once.
/// Log-det   Σ log|m′(x_B)|: the Jacobian is triangular (Dinh et al. 2015, §3.1).
/// Stores    nothing between passes. In mode `stored`: x, the parameters and what F stores.
template <Stage F, class Map>
class FlowCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;
  using D = detail::DeviceOf<F>;
  using T = typename Gradient::Element;

  FlowCoupling(F f, const Map& map, const Split& split = {})
      : f_{std::move(f), "f"}, map_(map), split_(split) {
    if constexpr (requires { map_.require(); }) map_.require();
    if (split.first < 0)
      throw std::invalid_argument("FlowCoupling: the first part must have channels, got " +
                                  std::to_string(split.first));
  }

  /// @throws ShapeError unless both parts have channels and F makes the parameters of B.
  Shape output_shape(Shape x) const {
    const Index mapped = parts(x.c).mapped;
    const Shape values = f_.output_shape(with_channels(x, parts(x.c).read));
    require_same_shape("FlowCoupling", "the output of F", values, "the parameters of the map",
                       with_channels(x, mapped * map_.parameters()));
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    run_ = run;
    kept_.reset();
    const bool stores = mode_ == Mode::stored && run.keep;
    if (stores) kept_.emplace(Inputs{clone(x, Use::stash), {}});
    State values = parameters(x.view(), stores ? run : preview(run));
    map_elements(mapped(x.view()), std::as_const(values).view(), map_, split_.mapped,
                 sums(log_det));
    if (stores) kept_->values = std::move(values).as(Use::stash);
  }

  void inverse(State& y, Run run, LogDet<D>* log_det = nullptr) {
    const State values = parameters(y.view(), preview(replay(run)));
    unmap_elements(mapped(y.view()), values.view(), map_, split_.mapped, sums(log_det));
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    const Shape shape = kept_ ? kept_->x.shape() : y.shape();
    require_same_shape("FlowCoupling", "y", shape, "dy", dy.shape());
    const double q = log_det ? log_det->gradient : 0;
    if (kept_) {
      y = std::move(kept_->x).as(Use::activation);
      State values = std::move(*kept_->values);
      kept_.reset();
      differentiate(y.view(), values, dy.view(), q);
    } else {
      State values = parameters(y.view(), replay(run_));
      unmap_elements(mapped(y.view()), std::as_const(values).view(), map_, split_.mapped,
                     sums(nullptr));
      differentiate(y.view(), values, dy.view(), q);
    }
  }

  bool reads_output() const { return mode_ != Mode::stored; }
  void on_mode(Mode mode) { mode_ = mode; }
  void on_abandon() { kept_.reset(); }
  template <class V>
  void inside(V visit) {
    visit("f", f_.stage);
  }

 private:
  struct Inputs {
    State x;
    std::optional<State> values;
  };
  struct Parts {
    Index read_at, read, mapped_at, mapped;
  };

  bool checkerboard() const { return split_.mapped != Pixels::all; }

  Parts parts(Index channels) const {
    if (checkerboard()) return {0, channels, 0, channels};
    const Index first = split_.first > 0 ? split_.first : (channels + 1) / 2;
    const Index rest = channels - first;
    if (rest < 1)
      throw ShapeError("FlowCoupling: x has " + std::to_string(channels) +
                       " channels, but the parts that are read and mapped must have one each: the "
                       "first part has " +
                       std::to_string(first));
    if (split_.maps_first) return {first, rest, 0, first};
    return {0, first, first, rest};
  }

  template <class V>
  V mapped(V x) const {
    const Parts at = parts(x.shape().c);
    return x.channels(at.mapped_at, at.mapped);
  }

  /// Returns the part that F reads: some channels, or a copy without the mapped pixels.
  View<const T, D> source(View<const T, D> x, std::optional<State>& copy) const {
    const Parts at = parts(x.shape().c);
    if (!checkerboard()) return x.channels(at.read_at, at.read);
    copy.emplace(clone(x, Use::workspace));
    clear_pixels(copy->view(), split_.mapped);
    return std::as_const(*copy).view();
  }

  State parameters(View<const T, D> x, Run run) {
    std::optional<State> copy;
    const View<const T, D> from = source(x, copy);
    State values(x.device(),
                 with_channels(x.shape(), parts(x.shape().c).mapped * map_.parameters()));
    f_.apply(values.view(), from, run, Store::set);
    return values;
  }

  /// With `values` the parameters that F has made of x.
  void differentiate(View<const T, D> x, State& values, View<T, D> dy, double q) {
    map_elements_backward(mapped(dy), mapped(x), values.view(), map_, split_.mapped, q);
    std::optional<State> copy;
    const View<const T, D> from = source(x, copy);
    const Parts at = parts(x.shape().c);
    if (!checkerboard())
      return f_.gradient(from, std::as_const(values).view(), dy.channels(at.read_at, at.read),
                         Store::add);
    Gradient of_source(dy.device(), x.shape(), Use::gradient);
    f_.gradient(from, std::as_const(values).view(), of_source.view(), Store::set);
    clear_pixels(of_source.view(), split_.mapped);
    add(dy, std::as_const(of_source).view());
  }

  static std::optional<View<double, D>> sums(LogDet<D>* log_det) {
    return log_det ? std::optional(log_det->value.view()) : std::nullopt;
  }

  NamedStage<F> f_;
  Map map_;
  Split split_;
  Mode mode_ = Mode::reversible;
  Run run_ = training;
  std::optional<Inputs> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
