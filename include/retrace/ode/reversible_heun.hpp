// The reversible Heun method.
#pragma once

#include <optional>
#include <utility>

#include "retrace/ode/ode_solver.hpp"

namespace retrace::inline RETRACE_ISA {

/// With y_0 = u_0 = x and f_n = f(t_n, u_n):
///
///   u_{n+1} = 2·y_n − u_n + h·f_n,   y_{n+1} = y_n + h/2·(f_n + f_{n+1})
///
/// Inverse   u_n = 2·y_{n+1} − u_{n+1} − h·f_{n+1},  y_n = y_{n+1} − h/2·(f_n + f_{n+1}).
/// Backward  with the gradients p of y, q of u and r of f_{n+1}:  r ← r + h/2·p,
///           q ← q + (∂f/∂u)ᵀ r at n + 1,  then  r ← h/2·p + h·q,  p ← p + 2·q,  q ← −q.
/// Order     2, with one evaluation per step. A linear field with the eigenvalue μ is stable if h·μ
///           is imaginary and |h·μ| ≤ 1 only.
/// Source    Kidger et al., "Efficient and accurate gradients for neural SDEs", NeurIPS 2021,
///           Algorithms 1 and 2.
template <class T, Device D>
class ReversibleHeun final : public OdeSolver<T, D> {
 public:
  using Base = OdeSolver<T, D>;
  using Base::Base;
  using typename Base::Parts, typename Base::Rate, typename Base::State, typename Base::Tape;

  void begin(Parts& state, double time) override {
    state.push_back(clone(state[0]));
    State f(state[0].device(), state[0].shape());
    this->rate_.evaluate(f.view(), this->view(state[0]), time, nullptr);
    state.push_back(std::move(f));
  }

  double advance(Parts& state, const OdeStep& step, Tape* tape,
                 const OdeTolerance* tolerance) override {
    this->rate_.set_part(step.part);
    State &y = state[0], &u = state[1], &f = state[2];
    const double h = step.size;
    State next(y.device(), y.shape());
    this->combined(next.view(), {{2, this->view(y)}, {-1, this->view(u)}, {h, this->view(f)}});
    State slope = evaluated(next, step.end, tape);
    double ratio = 0;
    if (tolerance) {
      State error(y.device(), y.shape(), Use::workspace), after = clone(y, Use::workspace);
      this->combined(error.view(), {{h / 2, this->view(slope)}, {-h / 2, this->view(f)}});
      add_slopes(after, h, f, slope);
      ratio = this->error_ratio(error, this->view(y), this->view(after), *tolerance);
      if (!(ratio <= 1)) return ratio;
    }
    add_slopes(y, h, f, slope);
    u = std::move(next);
    f = std::move(slope);
    return ratio;
  }

  void retreat(Parts& state, const OdeStep& step, Tape* tape) override {
    this->rate_.set_part(step.part);
    State &y = state[0], &u = state[1], &f = state[2];
    const double h = step.size;
    if (tape) {
      if (!held_) evaluated(u, step.end, &held_.emplace());  // of the end of the last step
      *tape = std::move(*held_);
      held_.emplace();
    }
    this->combined(u.view(), {{2, this->view(y)}, {-1, this->view(u)}, {-h, this->view(f)}});
    State slope = evaluated(u, step.time, tape ? &*held_ : nullptr);
    add_slopes(y, -h, f, slope);
    f = std::move(slope);
  }

  void adjoint(Parts& gradient, const OdeStep& step, Tape& tape) override {
    this->rate_.set_part(step.part);
    State &p = gradient[0], &q = gradient[1], &r = gradient[2];
    const double h = step.size;
    this->combined(r.view(), {{1, this->view(r)}, {h / 2, this->view(p)}});
    add_field_gradient(q, r, tape);
    this->combined(r.view(), {{h / 2, this->view(p)}, {h, this->view(q)}});
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
  double error_order() const override { return 2; }

 private:
  State evaluated(const State& u, double time, Tape* tape) {
    State f(u.device(), u.shape());
    if (tape) {
      tape->points.clear();
      tape->points.push_back(clone(u, Use::stash));
      tape->fields.resize(1);
    }
    this->rate_.evaluate(f.view(), this->view(u), time, tape ? &tape->fields[0] : nullptr);
    return f;
  }
  /// y += h/2·(f + g).
  void add_slopes(State& y, double h, const State& f, const State& g) {
    this->combined(y.view(), {{1, this->view(y)}, {h / 2, this->view(f)}, {h / 2, this->view(g)}});
  }
  /// q += (∂f/∂u)ᵀ r. Overwrites r.
  void add_field_gradient(State& q, State& r, Tape& tape) {
    State du(q.device(), q.shape(), Use::gradient);
    this->rate_.gradient(this->view(tape.points[0]), r, du.view(), tape.fields[0]);
    add(q.view(), this->view(du));
    tape.points.clear();
  }

  std::optional<Tape> held_;  ///< of the state that retreat() has reached
};

}  // namespace retrace::inline RETRACE_ISA
