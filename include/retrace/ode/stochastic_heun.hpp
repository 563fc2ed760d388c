// The reversible Heun method for stochastic differential equations.
#pragma once

#include <optional>
#include <utility>

#include "retrace/ode/brownian_path.hpp"
#include "retrace/ode/ode_solver.hpp"

namespace retrace::inline RETRACE_ISA {

/// dx = f(t, x)·dt + g(t, x)∘dW with diagonal noise, in the sense of Stratonovich. The field gives
/// f in the first half of its channels and g in the second. With Δ_n(k) = h·f + g·ΔW_n for k = (f,
/// g):
///
///   u_{n+1} = 2·y_n − u_n + Δ_n(k_n),   y_{n+1} = y_n + (Δ_n(k_n) + Δ_n(k_{n+1}))/2
///
/// with k_n the field at (t_n, u_n). Everything else is as in ReversibleHeun, which this is without
/// noise.
/// Order     1 in the strong sense for one noise per element that depends on that element alone,
///           otherwise 1/2.
/// Source    Kidger et al., "Efficient and accurate gradients for neural SDEs", NeurIPS 2021.
template <class T, Device D>
class StochasticHeun final : public OdeSolver<T, D> {
 public:
  using Base = OdeSolver<T, D>;
  using typename Base::Parts, typename Base::Rate, typename Base::Source, typename Base::State,
      typename Base::Tape;

  StochasticHeun(Rate rate, BrownianPath path) : Base(std::move(rate)), path_(path) {}

  void begin(Parts& state, double time) override {
    state.push_back(clone(state[0]));
    state.push_back(evaluated(state[0], time, nullptr));
  }

  double advance(Parts& state, const OdeStep& step, Tape* tape, const OdeTolerance*) override {
    State &y = state[0], &u = state[1], &k = state[2];
    const State noise = increments(y, step);
    State next(y.device(), y.shape());
    this->combined(next.view(), {{2, this->view(y)}, {-1, this->view(u)}});
    add_increment(next, 1, k, step.size, noise);
    add_increment(y, 0.5, k, step.size, noise);
    k = evaluated(next, step.end, tape);
    add_increment(y, 0.5, k, step.size, noise);
    u = std::move(next);
    return 0;
  }

  void retreat(Parts& state, const OdeStep& step, Tape* tape) override {
    State &y = state[0], &u = state[1], &k = state[2];
    if (tape) {
      if (!held_) evaluated(u, step.end, &held_.emplace());
      *tape = std::move(*held_);
      held_.emplace();
    }
    const State noise = increments(y, step);
    this->combined(u.view(), {{2, this->view(y)}, {-1, this->view(u)}});
    add_increment(u, -1, k, step.size, noise);
    add_increment(y, -0.5, k, step.size, noise);
    k = evaluated(u, step.time, tape ? &*held_ : nullptr);
    add_increment(y, -0.5, k, step.size, noise);
  }

  void adjoint(Parts& gradient, const OdeStep& step, Tape& tape) override {
    State &p = gradient[0], &q = gradient[1], &r = gradient[2];
    const State noise = increments(p, step);
    add_increment_gradient(r, 0.5, p, step.size, noise);
    add_field_gradient(q, r, tape);
    fill(r.view(), T(0));
    add_increment_gradient(r, 0.5, p, step.size, noise);
    add_increment_gradient(r, 1, q, step.size, noise);
    this->combined(p.view(), {{1, this->view(p)}, {2, this->view(q)}});
    scale(q.view(), -1);
  }
  void begin_adjoint(Parts& gradient, const State& x, double time) override {
    if (!held_) evaluated(x, time, &held_.emplace());
    add_field_gradient(gradient[1], gradient[2], *held_);
    held_.reset();
    add(gradient[0].view(), this->view(gradient[1]));
    gradient.pop_back();
    gradient.pop_back();
  }
  double error_order() const override { return 0; }

 private:
  State increments(const State& x, const OdeStep& step) const {
    State noise(x.device(), x.shape(), Use::workspace);
    path_.increments(noise.view(), step.time, step.end);
    return noise;
  }
  /// y += share·(h·f + g·ΔW).
  static void add_increment(State& y, double share, const State& k, double h, const State& noise) {
    const auto [f, g] = halves(k.view());
    State drift = clone(f, Use::workspace);
    scale(drift.view(), share * h);
    add(y.view(), std::as_const(drift).view());
    add_product(y.view(), g, noise.view(), share);
  }
  /// Its gradient with respect to k, for the gradient dy.
  static void add_increment_gradient(State& dk, double share, const State& dy, double h,
                                     const State& noise) {
    const auto [df, dg] = halves(dk.view());
    State drift = clone(dy, Use::workspace);
    scale(drift.view(), share * h);
    add(df, std::as_const(drift).view());
    add_product(dg, dy.view(), noise.view(), share);
  }

  State evaluated(const State& u, double time, Tape* tape) {
    State k(u.device(), with_channels(u.shape(), 2 * u.shape().c));
    if (tape) {
      tape->points.clear();
      tape->points.push_back(clone(u, Use::stash));
      tape->fields.resize(1);
    }
    this->rate_.evaluate(k.view(), this->view(u), time, tape ? &tape->fields[0] : nullptr);
    return k;
  }
  /// q += (∂k/∂u)ᵀ r. Overwrites r.
  void add_field_gradient(State& q, State& r, Tape& tape) {
    State du(q.device(), q.shape(), Use::gradient);
    this->rate_.gradient(this->view(tape.points[0]), r, du.view(), tape.fields[0]);
    add(q.view(), this->view(du));
    tape.points.clear();
  }

  BrownianPath path_;
  std::optional<Tape> held_;  ///< of the state that retreat() has reached
};

}  // namespace retrace::inline RETRACE_ISA
