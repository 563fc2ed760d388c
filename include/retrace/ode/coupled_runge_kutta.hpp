// Explicit Runge-Kutta methods, made reversible by a second copy of the state.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "retrace/ode/ode_solver.hpp"
#include "retrace/ode/tableau.hpp"

namespace retrace::inline RETRACE_ISA {

/// With Ψ_h(t, x) the increment of a Runge-Kutta step of size h, and y_0 = z_0 = x:
///
///   y_{n+1} = λ·y_n + (1 − λ)·z_n + Ψ_h(t_n, z_n)
///   z_{n+1} = z_n − Ψ_{−h}(t_{n+1}, y_{n+1})
///
/// Inverse   z_n = z_{n+1} + Ψ_{−h}(t_{n+1}, y_{n+1})
///           y_n = (y_{n+1} − (1 − λ)·z_n − Ψ_h(t_n, z_n))/λ
/// Backward  with the gradients p of y and q of z:  p ← p − (∂Ψ_{−h}/∂y)ᵀ q,
///           q ← q + (1 − λ)·p + (∂Ψ_h/∂z)ᵀ p,  p ← λ·p.
/// Order     that of the method.
/// Source    McCallum and Foster, "Efficient, Accurate and Stable Gradients for Neural ODEs",
///           arXiv 2410.11648.
template <class T, Device D>
class CoupledRungeKutta final : public OdeSolver<T, D> {
 public:
  using Base = OdeSolver<T, D>;
  using typename Base::Parts, typename Base::Rate, typename Base::Source, typename Base::State,
      typename Base::Tape, typename Base::Target;

  CoupledRungeKutta(Rate rate, const Tableau& tableau, double coupling)
      : Base(std::move(rate)), tableau_(tableau), coupling_(coupling) {}

  void begin(Parts& state, double) override { state.push_back(clone(state[0])); }

  double advance(Parts& state, const OdeStep& step, Tape* tape,
                 const OdeTolerance* tolerance) override {
    this->rate_.set_part(step.part);
    const auto [y, z] = pair(state);
    reserve(tape, z.device());
    Parts k = slopes(z, step.time, step.size, tape, 0);
    if (tolerance) {
      const double ratio = error(z, k, step, *tolerance);
      if (!(ratio <= 1)) return ratio;
      last_ratio_ = ratio;
    }
    add_increment(y, coupling_, z, 1 - coupling_, k, step.size);
    k = slopes(y, step.end, -step.size, tape, tableau_.stages);
    add_increment(z, 1, z, 0, k, step.size);
    return tolerance ? last_ratio_ : 0;
  }

  void retreat(Parts& state, const OdeStep& step, Tape* tape) override {
    this->rate_.set_part(step.part);
    const auto [y, z] = pair(state);
    reserve(tape, z.device());
    Parts k = slopes(y, step.end, -step.size, tape, tableau_.stages);
    add_increment(z, 1, z, 0, k, -step.size);
    k = slopes(z, step.time, step.size, tape, 0);
    add_increment(y, 1 / coupling_, z, 1 - 1 / coupling_, k, -step.size / coupling_);
  }

  void adjoint(Parts& gradient, const OdeStep& step, Tape& tape) override {
    this->rate_.set_part(step.part);
    const auto [p, q] = pair(gradient);
    add_increment_gradient(p, q, -1, -step.size, tape, tableau_.stages);
    this->combined(q.view(), {{1, this->view(q)}, {1 - coupling_, this->view(p)}});
    add_increment_gradient(q, p, 1, step.size, tape, 0);
    scale(p.view(), coupling_);
  }

  void begin_adjoint(Parts& gradient, const State&, double) override {
    add(gradient[0].view(), this->view(gradient[1]));
    gradient.pop_back();
  }
  double error_order() const override { return tableau_.error_order; }

 private:
  struct Both {
    State &y, &z;
  };
  static Both pair(Parts& parts) { return {parts[0], parts[1]}; }

  void reserve(Tape* tape, D& device) const {
    if (!tape) return;
    tape->points.clear();
    for (std::size_t i = 0; i < 2 * tableau_.stages; ++i)
      tape->points.push_back(State::none(device));
    tape->fields.resize(2 * tableau_.stages);
  }

  /// y = of_y·y + of_z·z + h·Σ b·k.
  void add_increment(State& y, double of_y, const State& z, double of_z, const Parts& k, double h) {
    std::vector<Addend<T, D>> terms{{of_y, this->view(y)}};
    if (of_z != 0) terms.push_back({of_z, this->view(z)});
    for (std::size_t i = 0; i < tableau_.stages; ++i)
      if (tableau_.b[i] != 0) terms.push_back({h * tableau_.b[i], this->view(k[i])});
    combine(y.view(), std::span<const Addend<T, D>>(terms));
  }

  /// k_1 … k_s of a step of size h from (t, x), recorded from place `first` of the tape on.
  Parts slopes(const State& x, double t, double h, Tape* tape, std::size_t first) {
    Parts k;
    for (std::size_t i = 0; i < tableau_.stages; ++i) {
      State point(x.device(), x.shape(), tape ? Use::stash : Use::workspace);
      std::vector<Addend<T, D>> terms{{1, this->view(x)}};
      for (std::size_t j = 0; j < i; ++j)
        if (tableau_.a[i][j] != 0) terms.push_back({h * tableau_.a[i][j], this->view(k[j])});
      const bool is_x = terms.size() == 1;
      if (!is_x || tape) combine(point.view(), std::span<const Addend<T, D>>(terms));
      State slope(x.device(), x.shape(), Use::workspace);
      this->rate_.evaluate(slope.view(), is_x && !tape ? this->view(x) : this->view(point),
                           t + tableau_.c[i] * h, tape ? &tape->fields[first + i] : nullptr);
      k.push_back(std::move(slope));
      if (tape) tape->points[first + i] = std::move(point);
    }
    return k;
  }

  /// The error of the step from z in units of the tolerance. Evaluates the stage at its end.
  double error(const State& z, const Parts& k, const OdeStep& step, const OdeTolerance& tolerance) {
    const auto& e = tableau_.e;
    State after = clone(z, Use::workspace), last(z.device(), z.shape(), Use::workspace);
    add_increment(after, 1, after, 0, k, step.size);
    this->rate_.evaluate(last.view(), this->view(after), step.end, nullptr);
    std::vector<Addend<T, D>> terms{{step.size * e[tableau_.stages], this->view(last)}};
    for (std::size_t i = 0; i < tableau_.stages; ++i)
      if (e[i] != 0) terms.push_back({step.size * e[i], this->view(k[i])});
    combine(last.view(), std::span<const Addend<T, D>>(terms));
    return this->error_ratio(last, this->view(z), this->view(after), tolerance);
  }

  /// dx += factor·(∂Ψ_h/∂x)ᵀ dpsi of the evaluations from place `first` of the tape on.
  void add_increment_gradient(State& dx, const State& dpsi, double factor, double h, Tape& tape,
                              std::size_t first) {
    const std::size_t stages = tableau_.stages;
    Parts of_points;  // of the last stage first
    std::vector<Addend<T, D>> sum{{1, this->view(dx)}};
    for (std::size_t i = stages; i-- > 0;) {
      std::vector<Addend<T, D>> terms;
      if (tableau_.b[i] != 0) terms.push_back({factor * h * tableau_.b[i], this->view(dpsi)});
      for (std::size_t j = i + 1; j < stages; ++j)
        if (tableau_.a[j][i] != 0)
          terms.push_back({h * tableau_.a[j][i], this->view(of_points[stages - 1 - j])});
      State dk(dx.device(), dx.shape(), Use::gradient);
      combine(dk.view(), std::span<const Addend<T, D>>(terms));
      State point(dx.device(), dx.shape(), Use::gradient);
      State& x = tape.points[first + i];
      this->rate_.gradient(this->view(x), dk, point.view(), tape.fields[first + i]);
      x = State::none(dx.device());
      of_points.push_back(std::move(point));
    }
    for (const State& point : of_points) sum.push_back({1, this->view(point)});
    combine(dx.view(), std::span<const Addend<T, D>>(sum));
  }

  const Tableau& tableau_;
  double coupling_, last_ratio_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
