// The reversible block with one branch.
#pragma once

#include <string>
#include <utility>

#include "retrace/layer/additive_coupling.hpp"

namespace retrace::inline RETRACE_ISA {

/// y₁ = x₂,  y₂ = x₁ + F(x₂): the block of the original i-RevNet (Jacobsen et al. 2018, §3.1),
/// whose halves change places.
///
/// Shapes    x [N,H,W,C] with C even; F maps [N,H,W,C/2] to itself.
/// Inverse   x₂ = y₁,  x₁ = y₂ − F(y₁).
/// Backward  F is evaluated once.
/// Stores    nothing between passes.
template <Branch F>
class SwapCoupling {
 public:
  using State = typename F::State;
  using Gradient = typename F::Gradient;

  explicit SwapCoupling(F f) : f_(std::move(f)) {}

  /// @throws ShapeError if C is odd or F changes the shape of its half.
  void forward(State& x, Run run) {
    run_ = run;
    auto [x1, x2] = halves(x.view());
    f_.add_to(x1, x2, preview(run), Store::add);
    swap_halves(x1, x2);
  }

  void inverse(State& y, Run run) {
    auto [x1, x2] = halves(y.view());
    swap_halves(x1, x2);
    f_.add_to(x1, x2, preview(replay(run)), Store::subtract);
  }

  /// @throws ShapeError unless dy has the shape of y.
  void backward(State& y, Gradient& dy) {
    require_same_shape("SwapCoupling::backward", "y", y.shape(), "dy", dy.shape());
    auto [x1, x2] = halves(y.view());
    auto [dx1, dx2] = halves(dy.view());
    swap_halves(x1, x2);
    swap_halves(dx1, dx2);
    undo(f_, x1, x2, dx1, dx2, run_);
  }

  void set_mode(Mode mode) { set_mode_of(f_, mode); }
  void set_chunk(Index images) { set_chunk_of(f_, images); }
  void abandon() { abandon_of(f_); }
  template <class List>
  void collect(const std::string& prefix, List& list) {
    collect_of(f_, joined(prefix, "f"), list);
  }

 private:
  F f_;
  Run run_ = training;
};

}  // namespace retrace::inline RETRACE_ISA
