// A method that goes forward and back through the steps of a differential equation.
#pragma once

#include <cmath>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "retrace/core/addend.hpp"
#include "retrace/ode/field_rate.hpp"
#include "retrace/ode/ode_options.hpp"
#include "retrace/ode/step_times.hpp"

namespace retrace::inline RETRACE_ISA {

/// A reversible solver. Its state has several *parts*, tensors of one shape; part 0 is x.
///
/// Going forward with a tape stores the steps; going back with a tape reconstructs them. The tape
/// of a step holds the same tensors in both cases, up to rounding, and adjoint() reads nothing
/// else.
template <class T, Device D>
class OdeSolver {
 public:
  using State = Tensor<T, D>;
  using Parts = std::vector<State>;
  using Source = View<const T, D>;
  using Target = View<T, D>;
  using Rate = FieldRate<T, D>;

  /// The points of one step at which the field was evaluated, and the tapes of the evaluations.
  struct Tape {
    std::vector<State> points;
    std::vector<typename Rate::Tape> fields;
  };

  explicit OdeSolver(Rate rate) : rate_(std::move(rate)) {}
  virtual ~OdeSolver() = default;
  OdeSolver(const OdeSolver&) = delete;
  OdeSolver& operator=(const OdeSolver&) = delete;

  /// Adds the other parts to x, which is part 0.
  virtual void begin(Parts& state, double time) = 0;
  /// Takes one step. With a tolerance, returns the root mean square of the error in units of the
  /// tolerance, and leaves the state as it is if that exceeds 1.
  virtual double advance(Parts& state, const OdeStep& step, Tape* tape,
                         const OdeTolerance* tolerance) = 0;
  /// The inverse of advance().
  virtual void retreat(Parts& state, const OdeStep& step, Tape* tape) = 0;
  /// The gradient with respect to the state after the step becomes that before it. The tape is
  /// consumed.
  virtual void adjoint(Parts& gradient, const OdeStep& step, Tape& tape) = 0;
  /// The gradient with respect to the parts at the begin becomes that with respect to x, part 0.
  virtual void begin_adjoint(Parts& gradient, const State& x, double time) = 0;
  /// The power of the step to which the error estimate is proportional.
  virtual double error_order() const = 0;

 protected:
  using Terms = std::initializer_list<Addend<T, D>>;

  static void combined(Target y, Terms terms) {
    combine(y, std::span<const Addend<T, D>>(terms.begin(), terms.size()));
  }
  static Source view(const State& x) { return x.view(); }

  /// The root mean square of `error` in units of the tolerance.
  static double error_ratio(const State& error, Source before, Source after,
                            const OdeTolerance& tolerance) {
    const Index size = error.shape().size();
    if (size == 0) return 0;
    return std::sqrt(
        sum_of_error_ratios(view(error), before, after, tolerance.relative, tolerance.absolute) /
        static_cast<double>(size));
  }

  Rate rate_;
};

}  // namespace retrace::inline RETRACE_ISA
