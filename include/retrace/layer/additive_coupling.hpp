// The reversible residual block.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "retrace/layer/input_watch.hpp"
#include "retrace/layer/inside.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// Takes target += H(source) back and differentiates it, with one evaluation of H: the value that
/// restores the target is the one whose insides carry the gradient. A branch that streams does so
/// in its own way.
template <Branch H, class Target, class Source, class DTarget, class DSource>
void undo(H& branch, Target target, Source source, DTarget dtarget, DSource dsource, Run run) {
  if constexpr (requires { branch.streams(source); })
    if (branch.streams(source)) return branch.undo(target, source, dtarget, dsource, run);
  branch.add_to(target, source, replay(run), Store::subtract);
  branch.differentiate(source, dtarget, dsource);
}

/// y₁ = x₁ + F(x₂),  y₂ = x₂ + G(y₁)  on the channel halves of x (Gomez et al. 2017, eq. 6).
///
/// Shapes    x [N,H,W,C] with C even; F and G map [N,H,W,C/2] to itself.
/// Inverse   x₂ = y₂ − G(y₁),  x₁ = y₁ − F(x₂)  (ibid., eq. 7): F and G need no inverse.
/// Backward  G then F, each evaluated once (ibid., Algorithm 1).
/// Stores    nothing between passes; during backward, what one of F and G keeps. In mode
///           `stored`: x₂, y₁ and what F and G keep, and x₁ where x has to be restored.
template <Branch F, Branch G = F>
class AdditiveCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;

  AdditiveCoupling(F f, G g) : f_(std::move(f)), g_(std::move(g)) {}

  /// @throws ShapeError if C is odd, or F or G changes the shape of its half.
  void forward(State& x, Run run) {
    auto [x1, x2] = halves(x.view());
    run_ = run;
    if (mode_ == Mode::stored && run.keep) {
      kept_.emplace(Inputs{run.restore ? std::optional(clone(x1, Use::stash)) : std::nullopt,
                           clone(x2, Use::stash), std::nullopt});
      f_.add_to(x1, x2, run, Store::add);
      kept_->y1 = clone(x1, Use::stash);
      g_.add_to(x2, x1, run, Store::add);
    } else {
      kept_.reset();
      f_.add_to(x1, x2, preview(run), Store::add);
      g_.add_to(x2, x1, preview(run), Store::add);
    }
  }

  void inverse(State& y, Run run) {
    auto [y1, y2] = halves(y.view());
    g_.add_to(y2, y1, preview(replay(run)), Store::subtract);
    f_.add_to(y1, y2, preview(replay(run)), Store::subtract);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy) {
    if (kept_) return backward_stored(y, dy);
    require_same_shape("AdditiveCoupling::backward", "y", y.shape(), "dy", dy.shape());
    auto [y1, y2] = halves(y.view());
    auto [dy1, dy2] = halves(dy.view());
    undo(g_, y2, y1, dy2, dy1, run_);
    undo(f_, y1, y2, dy1, dy2, run_);
  }

  void set_mode(Mode mode) {
    mode_ = mode;
    set_mode_of(f_, mode);
    set_mode_of(g_, mode);
  }
  void set_chunk(Index images) {
    set_chunk_of(f_, images);
    set_chunk_of(g_, images);
  }
  void fuse() {
    fuse_of(f_);
    fuse_of(g_);
  }
  bool reads_output() const { return mode_ != Mode::stored; }
  void watch(const std::string& prefix, InputWatch<Gradient>* watch) {
    watch_inside(f_, joined(prefix, "f"), watch);
    watch_inside(g_, joined(prefix, "g"), watch);
  }

  void abandon() {
    kept_.reset();
    abandon_of(f_);
    abandon_of(g_);
  }
  template <class List>
  void collect(const std::string& prefix, List& list) {
    collect_of(f_, joined(prefix, "f"), list);
    collect_of(g_, joined(prefix, "g"), list);
  }

  F& f() { return f_; }
  G& g() { return g_; }

 private:
  struct Inputs {
    std::optional<State> x1;
    State x2;
    std::optional<State> y1;
  };

  /// Needs nothing of y, which may be empty.
  void backward_stored(State& y, Gradient& dy) {
    const Shape half = kept_->x2.shape(), shape = with_channels(half, 2 * half.c);
    require_same_shape("AdditiveCoupling::backward", "y", shape, "dy", dy.shape());
    if (!kept_->x1) y = State::none(dy.device());  // nobody reads it
    auto [dy1, dy2] = halves(dy.view());
    g_.differentiate(std::as_const(*kept_->y1).view(), dy2, dy1);
    kept_->y1.reset();
    f_.differentiate(std::as_const(kept_->x2).view(), dy1, dy2);
    if (kept_->x1) {
      if (y.shape() != shape) y = State(dy.device(), shape);
      auto [x1, x2] = halves(y.view());
      copy(x1, kept_->x1->view());
      copy(x2, kept_->x2.view());
    }
    kept_.reset();
  }

  F f_;
  G g_;
  Mode mode_ = Mode::reversible;
  Run run_ = training;
  std::optional<Inputs> kept_;
};

}  // namespace retrace::inline RETRACE_ISA
