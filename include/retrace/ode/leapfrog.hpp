// The asynchronous leapfrog integrator.
#pragma once

#include <utility>

#include "retrace/ode/ode_solver.hpp"

namespace retrace::inline RETRACE_ISA {

/// With a velocity v in addition to x, and v_0 = f(t_0, x_0):
///
///   m = x_n + h/2·v_n,   v_{n+1} = 2·f(t_n + h/2, m) − v_n,   x_{n+1} = m + h/2·v_{n+1}
///
/// Inverse   m = x_{n+1} − h/2·v_{n+1},  v_n = 2·f(t_n + h/2, m) − v_{n+1},  x_n = m − h/2·v_n.
/// Backward  with the gradients p of x and q of v:  q ← q + h/2·p,  p ← p + 2·(∂f/∂m)ᵀ q,
///           q ← −q + h/2·p.
/// Order     2, with one evaluation per step.
/// Source    Zhuang et al., "MALI: a memory efficient and reverse accurate integrator for neural
///           ODEs", ICLR 2021, Algorithms 2 and 3.
template <class T, Device D>
class Leapfrog final : public OdeSolver<T, D> {
 public:
  using Base = OdeSolver<T, D>;
  using Base::Base;
  using typename Base::Parts, typename Base::Rate, typename Base::State, typename Base::Tape;

  void begin(Parts& state, double time) override {
    State v(state[0].device(), state[0].shape());
    this->rate_.evaluate(v.view(), this->view(state[0]), time, nullptr);
    state.push_back(std::move(v));
  }

  double advance(Parts& state, const OdeStep& step, Tape* tape,
                 const OdeTolerance* tolerance) override {
    this->rate_.set_part(step.part);
    State &x = state[0], &v = state[1];
    const double half = step.size / 2;
    State f = slope(x, v, half, step, tape);
    double ratio = 0;
    if (tolerance) {
      State error(x.device(), x.shape(), Use::workspace), after = clone(x, Use::workspace);
      this->combined(error.view(), {{step.size, this->view(f)}, {-step.size, this->view(v)}});
      this->combined(after.view(), {{1, this->view(after)}, {step.size, this->view(f)}});
      ratio = this->error_ratio(error, this->view(x), this->view(after), *tolerance);
      if (!(ratio <= 1)) return ratio;
    }
    turn(x, v, half, f);
    return ratio;
  }
  void retreat(Parts& state, const OdeStep& step, Tape* tape) override {
    this->rate_.set_part(step.part);
    State &x = state[0], &v = state[1];
    State f = slope(x, v, -step.size / 2, step, tape);
    turn(x, v, -step.size / 2, f);
  }

  void adjoint(Parts& gradient, const OdeStep& step, Tape& tape) override {
    this->rate_.set_part(step.part);
    State &p = gradient[0], &q = gradient[1];
    const double half = step.size / 2;
    this->combined(q.view(), {{1, this->view(q)}, {half, this->view(p)}});
    State df(p.device(), p.shape(), Use::gradient), dm(p.device(), p.shape(), Use::gradient);
    this->combined(df.view(), {{2, this->view(q)}});
    this->rate_.gradient(this->view(tape.points[0]), df, dm.view(), tape.fields[0]);
    add(p.view(), this->view(dm));
    this->combined(q.view(), {{-1, this->view(q)}, {half, this->view(p)}});
    tape.points.clear();
  }
  void begin_adjoint(Parts& gradient, const State& x, double time) override {
    typename Rate::Tape tape;
    State dx(x.device(), x.shape(), Use::gradient);
    this->rate_.evaluate(dx.view(), this->view(x), time, &tape);
    this->rate_.gradient(this->view(x), gradient[1], dx.view(), tape);
    add(gradient[0].view(), this->view(dx));
    gradient.pop_back();
  }
  double error_order() const override { return 2; }

 private:
  /// f at the middle of the step, m = x + h·v.
  State slope(const State& x, const State& v, double h, const OdeStep& step, Tape* tape) {
    State m(x.device(), x.shape(), tape ? Use::stash : Use::workspace);
    this->combined(m.view(), {{1, this->view(x)}, {h, this->view(v)}});
    State f(x.device(), x.shape(), Use::workspace);
    if (tape) tape->fields.resize(1);
    this->rate_.evaluate(f.view(), this->view(m), step.time + step.size / 2,
                         tape ? &tape->fields[0] : nullptr);
    if (tape) {
      tape->points.clear();
      tape->points.push_back(std::move(m));
    }
    return f;
  }
  /// x = x + h·v + h·v′ and v = v′ for v′ = 2·f − v.
  void turn(State& x, State& v, double h, const State& f) {
    this->combined(x.view(), {{1, this->view(x)}, {2 * h, this->view(f)}});
    this->combined(v.view(), {{2, this->view(f)}, {-1, this->view(v)}});
  }
};

}  // namespace retrace::inline RETRACE_ISA
