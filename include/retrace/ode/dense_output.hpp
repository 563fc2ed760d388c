// The solution of a differential equation at any time of its interval.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include "retrace/ode/ode_block.hpp"

namespace retrace::inline RETRACE_ISA {

/// x(t) of dx/dt = f(t, x): between the ends of two steps, the cubic that has the states and the
/// rates of both (Hairer, Nørsett and Wanner 1993, §II.6). Its error decreases as the fourth power
/// of the step.
///
/// Stores one state and one rate per step. It is for reading a solution, not for training.
///
///     DenseOutput<float, Cpu> solution(field, x, {.method = OdeMethod::dopri5, .adaptive = {{}}});
///     const Tensor<float, Cpu> between = solution(0.37);
template <class T, Device D>
class DenseOutput {
 public:
  using State = Tensor<T, D>;
  using Field = StageSequence<T, D>;

  /// Solves from x. If steps are adaptive, it solves twice: once to find them.
  /// @throws std::invalid_argument unless the options make sense; outputs and noise make none here.
  /// @throws SolveError as OdeBlock does.
  DenseOutput(Field field, const State& x, OdeOptions options) {
    if (!options.outputs.empty() || options.noise)
      throw std::invalid_argument(
          "DenseOutput: leave out `outputs` and `noise`: it has a smooth state at every time");
    OdeBlock<T, D> block(std::move(field), options);
    times_ = ends_of_steps(block, x);
    options.coupling = coupling(options);
    options.adaptive.reset();
    options.steps = 1;  // one between two outputs
    options.outputs.assign(times_.begin() + 1, times_.end());
    block.set_options(options);
    State states = clone(x);
    block.forward(states, inference);
    for (std::size_t i = 0; i < times_.size(); ++i) {
      const auto behind = [&] {
        return std::as_const(states).view().images((Index(i) - 1) * x.shape().n, x.shape().n);
      };
      const View<const T, D> state = i == 0 ? x.view() : behind();
      values_.push_back(clone(state, Use::activation));
      State& rate = slopes_.emplace_back(x.device(), x.shape());
      block.field().evaluate(rate.view(), state, {.of_all = times_[i]});
    }
  }

  /// The begin and the ends of all steps.
  const std::vector<double>& times() const { return times_; }

  /// @throws std::invalid_argument unless the time is in the interval of the solve.
  State operator()(double time) const {
    if (!(time >= times_.front() && time <= times_.back()))
      throw std::invalid_argument("DenseOutput: the time " + short_text(time) +
                                  " is outside the interval from " + short_text(times_.front()) +
                                  " to " + short_text(times_.back()));
    const auto after = std::upper_bound(times_.begin() + 1, times_.end() - 1, time);
    const auto i = static_cast<std::size_t>(after - times_.begin());
    const double h = times_[i] - times_[i - 1], s = (time - times_[i - 1]) / h, r = 1 - s;
    const Addend<T, D> terms[]{{r * r * (1 + 2 * s), values_[i - 1].view()},
                               {s * s * (3 - 2 * s), values_[i].view()},
                               {h * s * r * r, slopes_[i - 1].view()},
                               {-h * s * s * r, slopes_[i].view()}};
    State x(values_[0].device(), values_[0].shape());
    combine(x.view(), std::span<const Addend<T, D>>(terms));
    return x;
  }

 private:
  static std::vector<double> ends_of_steps(OdeBlock<T, D>& block, const State& x) {
    State y = clone(x);
    block.forward(y, inference);
    std::vector<double> times{block.options().begin};
    for (Index i = 0; i < block.steps().size(); ++i) times.push_back(block.steps().step(i).end);
    return times;
  }

  std::vector<double> times_;
  std::vector<State> values_, slopes_;  ///< x and dx/dt at these times
};

}  // namespace retrace::inline RETRACE_ISA
