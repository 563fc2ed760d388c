// A residual layer that is inverted by iteration.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/kept.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/net/exact_log_det.hpp"
#include "retrace/net/fixed_point.hpp"
#include "retrace/net/log_det_series.hpp"

namespace retrace::inline RETRACE_ISA {

/// Inverse and log-determinant of an invertible residual layer.
struct InvertibleResidualOptions {
  FixedPointOptions inverse = {};
  LogDetMethod log_det = LogDetMethod::roulette;
  int terms = 5;           ///< of the series; those before the roulette
  std::uint64_t seed = 0;  ///< of the random signs
};

/// y = x + g(x) with Lip(g) < 1 (Behrmann et al. 2019). g is a sequence of stages with known
/// Lipschitz constants, such as SpectralConv2d, LipSwish and Elu, whose product bounds that of g.
///
/// Shapes    any that g leaves unchanged.
/// Inverse   x ← y − g(x) until the relative error is at most the tolerance, by the bound of the
///           iteration.
/// Backward  dx = dy + (∂g/∂x)ᵀ dy.
/// LogDet    log det(I + J), by the power series with random signs, by Russian roulette (Chen et
/// al.
///           2019), or exactly; its gradient by the Neumann series, with a constant number of
///           tensors.
/// Stores    x. In mode `inverted` nothing: backward finds x by the inverse, to its tolerance, at
///           some 5 to 20 evaluations of g.
/// @throws   ConvergenceError if the inverse is not found.
template <class T, Device D>
class InvertibleResidual {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  using Sequence = StageSequence<T, D>;

  /// @throws std::invalid_argument naming a stage without a Lipschitz constant, or if the product
  ///         of the constants is not below 1, or a log-determinant has no terms.
  explicit InvertibleResidual(Sequence g, InvertibleResidualOptions options = {})
      : g_(std::move(g)), options_(options) {
    if (const double bound = g_.lipschitz(); !(bound < 1))
      throw std::invalid_argument("InvertibleResidual: the Lipschitz constant of the branch is " +
                                  short_text(bound) + ", but must be below 1");
    if (options.terms < 1)
      throw std::invalid_argument("InvertibleResidual: a series needs terms, got " +
                                  std::to_string(options.terms));
  }

  /// @throws ShapeError if g changes the shape.
  Shape output_shape(Shape x) const {
    require_same_shape("InvertibleResidual", "x", x, "g(x)", g_.output_shape(x));
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    output_shape(x.shape());
    input_.abandon();
    g_.prepare(/*improve=*/run.update_running);
    if (run.keep) ++draws_;
    State y(x.device(), x.shape());
    add_log_det(x, y, log_det, 1);
    add(y.view(), std::as_const(x).view());
    run.keep = run.keep && stores();
    input_.take_over(std::move(x), run);
    x = std::move(y);
  }
  void inverse(State& y, Run, LogDet<D>* log_det = nullptr) {
    output_shape(y.shape());
    g_.prepare(false);
    find_input(y);
    if (!log_det) return;
    State value(y.device(), y.shape(), Use::workspace);
    add_log_det(y, value, log_det, -1);
  }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("InvertibleResidual", "y",
                       input_.holds() ? input_.peek("").shape() : y.shape(), "dy", dy.shape());
    if (stores())
      y = input_.give_back("InvertibleResidual");
    else
      find_input(y);
    typename Sequence::Tape tape;
    const View<const T, D> x = std::as_const(y).view();
    {
      State value(y.device(), y.shape(), Use::workspace);
      g_.evaluate(value.view(), x, {}, &tape);
    }
    Gradient dx = clone(dy, Use::gradient);
    ParameterList<T, D> list;
    g_.collect("", list);
    {
      AddsGuard<T, D> adds(list);
      adds.set_all(Adds::part);
      if (log_det) add_log_det_gradient(dx.view(), x, tape, log_det->gradient);
      g_.gradient(x, std::as_const(dy).view(), dx.view(), tape, Store::add);
    }
    for (auto& named : list.parameters) named.parameter->complete();
    dy = std::move(dx);
  }

  /// The bound of the Lipschitz constant of g, measured in the last forward pass.
  double lipschitz() const { return g_.lipschitz(); }
  /// Of the last inverse.
  const FixedPointResult& inversion() const { return inversion_; }

  bool reads_output() const { return !stores(); }
  void on_mode(Mode mode) { mode_ = mode; }
  void on_abandon() { input_.abandon(); }
  template <class V>
  void inside(V visit) {
    visit("", g_);
    visit("draws", draws_);
  }

 private:
  bool stores() const { return mode_ != Mode::inverted; }

  void find_input(State& y) {
    inversion_ = invert_residual(
        y, g_.lipschitz(), [&](View<T, D> target, View<const T, D> x) { g_.evaluate(target, x); },
        options_.inverse);
  }

  /// The signs and the terms of this pass, the same in forward and backward.
  Random random() const { return Random(options_.seed, substream("log_det"), draws_ << 32); }

  /// value = g(x), and adds ±log det(I + J).
  void add_log_det(const State& x, State& value, LogDet<D>* log_det, double sign) {
    if (!log_det) return g_.evaluate(value.view(), x.view());
    typename Sequence::Tape tape;
    g_.evaluate(value.view(), x.view(), {}, &tape);
    if (options_.log_det == LogDetMethod::exact) {
      const ExactJacobian<T, D> jacobian(g_, x.view(), tape);
      Tensor<double, D> sums(x.device(), log_det->value.shape(), Use::workspace);
      std::vector<double> values = jacobian.log_dets();
      for (double& each : values) each *= sign;
      if (!x.device().dry()) upload(sums.view(), std::span<const double>(values));
      return add(log_det->value.view(), std::as_const(sums).view());
    }
    Random numbers = random();
    const auto factors = series_factors(options_.log_det, options_.terms, numbers);
    const State signs = random_signs<T>(x.device(), x.shape(), numbers);
    add_series<T, D>(log_det->value.view(), g_, x.view(), tape, signs, factors, sign);
  }
  void add_log_det_gradient(View<T, D> dx, View<const T, D> x, typename Sequence::Tape& tape,
                            double share) {
    if (options_.log_det == LogDetMethod::exact)
      return ExactJacobian<T, D>(g_, x, tape).add_gradient(dx, g_, x, tape, share);
    Random numbers = random();
    const auto factors = series_factors(options_.log_det, options_.terms, numbers);
    const State signs = random_signs<T>(x.device(), x.shape(), numbers);
    add_series_gradient<T, D>(dx, g_, x, tape, signs, factors, share);
  }

  Sequence g_;
  InvertibleResidualOptions options_;
  Mode mode_ = Mode::reversible;
  Kept<State> input_;
  FixedPointResult inversion_;
  std::uint64_t draws_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
