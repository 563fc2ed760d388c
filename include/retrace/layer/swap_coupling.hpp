// The reversible block with one branch.
#pragma once

#include <optional>
#include <utility>

#include "retrace/layer/layer.hpp"
#include "retrace/layer/named_stage.hpp"

namespace retrace::inline RETRACE_ISA {

/// y₁ = x₂,  y₂ = x₁ + F(x₂): the block of the original i-RevNet (Jacobsen et al. 2018, §3.1),
/// whose halves change places.
///
/// Shapes    x [N,H,W,C] with C even; F maps [N,H,W,C/2] to itself.
/// Inverse   x₂ = y₁,  x₁ = y₂ − F(y₁).
/// Backward  F is evaluated once.
/// Stores    nothing between passes. In mode `stored`: x₂ and what F stores, and x₁ if x must be
///           restored.
template <Stage F>
class SwapCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;
  static constexpr bool volume_preserving = true;

  explicit SwapCoupling(F f) : f_{std::move(f), "f"} {}

  /// @throws ShapeError if C is odd or F changes the shape of its half.
  Shape output_shape(Shape x) const {
    f_.require_same_output(half_of(x));
    return x;
  }

  void forward(State& x, Run run) {
    run_ = run;
    kept_.reset();
    auto [x1, x2] = halves(x.view());
    const bool stores = mode_ == Mode::stored && run.keep;
    if (stores)
      kept_.emplace(Inputs{run.restore ? std::optional(clone(x1, Use::stash)) : std::nullopt,
                           clone(x2, Use::stash)});
    f_.apply(x1, x2, stores ? run : preview(run), Store::add);
    swap_halves(x1, x2);
  }

  void inverse(State& y, Run run) {
    auto [x1, x2] = halves(y.view());
    swap_halves(x1, x2);
    f_.apply(x1, x2, preview(replay(run)), Store::subtract);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy) {
    if (kept_) return backward_stored(y, dy);
    require_same_shape("SwapCoupling", "y", y.shape(), "dy", dy.shape());
    auto [x1, x2] = halves(y.view());
    auto [dx1, dx2] = halves(dy.view());
    swap_halves(x1, x2);
    swap_halves(dx1, dx2);
    f_.undo(x1, x2, dx1, dx2, run_);
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
    std::optional<State> x1;
    State x2;
  };

  /// Reads nothing of y, which may have no elements.
  void backward_stored(State& y, Gradient& dy) {
    const Shape half = kept_->x2.shape(), shape = with_channels(half, 2 * half.c);
    require_same_shape("SwapCoupling", "y", shape, "dy", dy.shape());
    auto [dx1, dx2] = halves(dy.view());
    swap_halves(dx1, dx2);
    f_.gradient(std::as_const(kept_->x2).view(), dx1, dx2, Store::add);
    y = State::none(dy.device());
    if (kept_->x1) {
      y = State(dy.device(), shape);
      auto [x1, x2] = halves(y.view());
      copy(x1, kept_->x1->view());
      copy(x2, kept_->x2.view());
    }
    kept_.reset();
  }

  NamedStage<F> f_;
  Mode mode_ = Mode::reversible;
  Run run_ = training;
  std::optional<Inputs> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
