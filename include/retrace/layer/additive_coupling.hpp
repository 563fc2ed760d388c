// The reversible residual block.
#pragma once

#include <optional>
#include <utility>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/named_stage.hpp"

namespace retrace::inline RETRACE_ISA {

/// y₁ = x₁ + F(x₂),  y₂ = x₂ + G(y₁)  on the channel halves of x (Gomez et al. 2017, eq. 6).
///
/// Shapes    x [N,H,W,C] with C even; F and G map [N,H,W,C/2] to itself.
/// Inverse   x₂ = y₂ − G(y₁),  x₁ = y₁ − F(x₂)  (ibid., eq. 7): F and G need no inverse.
/// Backward  G then F, each evaluated once (ibid., Algorithm 1).
/// Stores    nothing between passes; during backward, what one of F and G stores. In mode
///           `stored`: x₂, y₁ and what F and G store, and x₁ if x must be restored.
template <Stage F, Stage G = F>
class AdditiveCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;
  static constexpr bool volume_preserving = true;

  AdditiveCoupling(F f, G g) : f_{std::move(f), "f"}, g_{std::move(g), "g"} {}

  /// @throws ShapeError if C is odd, or F or G changes the shape of its half.
  Shape output_shape(Shape x) const {
    f_.require_same_output(half_of(x));
    g_.require_same_output(half_of(x));
    return x;
  }

  void forward(State& x, Run run) {
    auto [x1, x2] = halves(x.view());
    run_ = run;
    kept_.reset();
    if (mode_ == Mode::stored && run.keep) {
      kept_.emplace(Inputs{run.restore ? std::optional(clone(x1, Use::stash)) : std::nullopt,
                           clone(x2, Use::stash), std::nullopt});
      f_.apply(x1, x2, run, Store::add);
      kept_->y1 = clone(x1, Use::stash);
      g_.apply(x2, x1, run, Store::add);
    } else {
      f_.apply(x1, x2, preview(run), Store::add);
      g_.apply(x2, x1, preview(run), Store::add);
    }
  }

  void inverse(State& y, Run run) {
    auto [y1, y2] = halves(y.view());
    g_.apply(y2, y1, preview(replay(run)), Store::subtract);
    f_.apply(y1, y2, preview(replay(run)), Store::subtract);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy) {
    if (kept_) return backward_stored(y, dy);
    require_same_shape("AdditiveCoupling", "y", y.shape(), "dy", dy.shape());
    auto [y1, y2] = halves(y.view());
    auto [dy1, dy2] = halves(dy.view());
    g_.undo(y2, y1, dy2, dy1, run_);
    f_.undo(y1, y2, dy1, dy2, run_);
  }

  bool reads_output() const { return mode_ != Mode::stored; }
  void on_mode(Mode mode) { mode_ = mode; }
  void on_abandon() { kept_.reset(); }
  template <class V>
  void inside(V visit) {
    visit("f", f_.stage);
    visit("g", g_.stage);
  }

  F& f() { return f_.stage; }
  G& g() { return g_.stage; }

 private:
  struct Inputs {
    std::optional<State> x1;
    State x2;
    std::optional<State> y1;
  };

  /// Reads nothing of y, which may have no elements.
  void backward_stored(State& y, Gradient& dy) {
    const Shape half = kept_->x2.shape(), shape = with_channels(half, 2 * half.c);
    require_same_shape("AdditiveCoupling", "y", shape, "dy", dy.shape());
    if (!kept_->x1) y = State::none(dy.device());
    auto [dy1, dy2] = halves(dy.view());
    g_.gradient(std::as_const(*kept_->y1).view(), dy2, dy1, Store::add);
    kept_->y1.reset();
    f_.gradient(std::as_const(kept_->x2).view(), dy1, dy2, Store::add);
    if (kept_->x1) {
      if (y.shape() != shape) y = State(dy.device(), shape);
      auto [x1, x2] = halves(y.view());
      copy(x1, kept_->x1->view());
      copy(x2, kept_->x2.view());
    }
    kept_.reset();
  }

  NamedStage<F> f_;
  NamedStage<G> g_;
  Mode mode_ = Mode::reversible;
  Run run_ = training;
  std::optional<Inputs> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
