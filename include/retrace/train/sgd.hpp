// Stochastic gradient descent and its learning rate.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <memory>
#include <numbers>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/momentum.hpp"
#include "retrace/core/sgd_term.hpp"
#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA {

/// Of stochastic gradient descent, all but the learning rate.
struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;    ///< momentum looks ahead
  double weight_decay = 0;  ///< of the parameters that decay: weights, not scales and shifts
  double clip = 0;          ///< the largest norm of all gradients together; 0: any. Not when fused
  double clip_each = 0;     ///< the largest norm of one parameter's gradient; 0: any
  bool fused = false;       ///< steps are taken inside backward, see Sgd::arm
};

/// The step of core/momentum.hpp, with one v a parameter (Use::optimizer). A gradient longer than
/// it may be is first scaled down to that length.
///
/// *Fused*, a parameter takes its step inside backward, as soon as its gradient is complete, and
/// the gradient's memory serves the next parameter: gradients then take what the largest of them
/// takes, and parameters end up the same, bit for bit. What needs all gradients before the first
/// step is not to be had with it: clipping by the norm of all, adding up several batches,
/// discarding a step.
template <class T, Device D>
class Sgd {
 public:
  /// Sees a gradient before its fused step, by name, and may throw: then the steps taken before it
  /// are taken.
  using Inspect = std::function<void(const std::string&, const Tensor<T, D>&)>;

  /// The parameters must stay where they are, and those of a fused optimizer are its own as long as
  /// it lives.
  /// @throws std::invalid_argument if it is to be fused and to clip by the norm of all gradients.
  Sgd(ParameterList<T, D> list, SgdOptions options, Inspect inspect = {})
      : state_(std::make_unique<State>(std::move(list), options, std::move(inspect))) {}

  /// Takes one step against the gradients and empties them.
  /// @throws StateError if fused: the step has been taken.
  void step(double rate) { step_at(rate); }
  /// The same at a rate that is on the device, one element: what a recorded step reads.
  void step(View<const T, D> rate) { step_at(rate); }

  /// Adds one buffer a parameter, v, to the state of a training: "momentum.level1.block0.weight".
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    for (std::size_t i = 0; i < state_->velocities.size(); ++i)
      list.add(joined(prefix, state_->list.parameters[i].name), state_->velocities[i]);
  }

  /// Fused: in the next backward pass every parameter takes one step at that rate.
  void arm(double rate) {
    state_->rate = rate;
    std::fill(state_->stepped.begin(), state_->stepped.end(), false);
  }

  bool fused() const { return state_->options.fused; }
  const SgdOptions& options() const { return state_->options; }
  ParameterList<T, D>& parameters() { return state_->list; }

 private:
  /// At one address for as long as parameters call it.
  struct State {
    State(ParameterList<T, D> parameters, SgdOptions chosen, Inspect look)
        : list(std::move(parameters)), options(chosen), inspect(std::move(look)) {
      if (options.fused && options.clip > 0)
        throw std::invalid_argument(
            "a fused optimizer has taken its first steps before the last gradient is known, so it "
            "cannot clip by the norm of all of them: clip each parameter's (clip_each), or do not "
            "fuse");
      for (auto& named : list.parameters) {
        Tensor<T, D>& value = named.parameter->value;
        velocities.emplace_back(value.device(), value.shape(), Use::optimizer);
        fill(velocities.back().view(), T(0));
      }
      if (options.fused) fuse();
    }
    ~State() {
      if (!options.fused) return;
      for (auto& named : list.parameters) named.parameter->on_complete = {};
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void fuse() {
      stepped.assign(list.parameters.size(), false);
      for (std::size_t i = 0; i < list.parameters.size(); ++i) {
        list.parameters[i].parameter->release_gradient();
        list.parameters[i].parameter->on_complete = [this, i](Parameter<T, D>&) { fused_step(i); };
      }
    }

    template <class Rate>
    void step(Rate step_rate) {
      const double share = clip_share();
      std::vector<SgdTerm<T, D>> terms;
      for (std::size_t i = 0; i < velocities.size(); ++i) {
        if (share < 1) scale(list.parameters[i].parameter->gradient.view(), share);
        terms.push_back(clipped_term(i));
      }
      sgd_step(std::span<const SgdTerm<T, D>>(terms), step_rate, momentum());
    }

    void fused_step(std::size_t i) {
      const auto& [name, parameter] = list.parameters[i];
      if (!parameter->value.device().dry()) {  // a rehearsal steps nowhere
        if (!rate || stepped[i])
          throw StateError("Sgd: the gradient of " + name + " is complete " +
                           (rate
                                ? "a second time: a fused optimizer adds up no batches; call arm() "
                                  "before every backward pass"
                                : "but no rate is known: call arm() before backward"));
        stepped[i] = true;
        if (inspect) inspect(name, parameter->gradient);
      }
      const SgdTerm<T, D> term = clipped_term(i);
      sgd_update(term.value, term.gradient, term.velocity, rate.value_or(0), momentum(),
                 term.decay);
      parameter->release_gradient();
    }

    /// What an update takes, with the gradient no longer than it may be by itself.
    SgdTerm<T, D> clipped_term(std::size_t i) {
      Parameter<T, D>& parameter = *list.parameters[i].parameter;
      const double norm = options.clip_each > 0 ? std::sqrt(squared_norm(parameter)) : 0;
      if (norm > options.clip_each) scale(parameter.gradient.view(), options.clip_each / norm);
      return {parameter.value.view(), parameter.gradient.view(), velocities[i].view(),
              parameter.decays ? options.weight_decay : 0.0};
    }

    Momentum momentum() const { return {options.momentum, options.nesterov}; }

    /// What all gradients are multiplied by.
    double clip_share() {
      if (options.clip <= 0) return 1;
      double sum = 0;
      for (auto& named : list.parameters) sum += squared_norm(*named.parameter);
      const double norm = std::sqrt(sum);
      return norm > options.clip ? options.clip / norm : 1;
    }
    static double squared_norm(const Parameter<T, D>& parameter) {
      return sum_of_squares(parameter.gradient.view());
    }

    ParameterList<T, D> list;
    SgdOptions options;
    Inspect inspect;
    std::vector<Tensor<T, D>> velocities;
    std::optional<double> rate;
    std::vector<bool> stepped;  ///< since it was armed
  };

  template <class Rate>
  void step_at(Rate rate) {
    if (state_->options.fused)
      throw StateError(
          "Sgd::step: a fused optimizer steps inside backward; give arm() the rate "
          "before it");
    state_->step(rate);
  }

  std::unique_ptr<State> state_;
};

/// The one-cycle learning rate (Smith & Topin 2018): from peak/25 up to the peak over the first
/// `warm_up` share of the steps and down to peak/1e5 over the rest, each half a cosine.
struct OneCycle {
  double peak;
  std::size_t steps;
  double warm_up = 0.3;

  double operator()(std::size_t step) const {
    const double at =
        static_cast<double>(step) / static_cast<double>(std::max<std::size_t>(steps, 1));
    if (at < warm_up) return blend(peak / 25, peak, at / warm_up);
    return blend(peak, peak / 1e5, std::min(1.0, (at - warm_up) / (1 - warm_up)));
  }

 private:
  static double blend(double from, double to, double share) {
    return to + (from - to) * (1 + std::cos(std::numbers::pi * share)) / 2;
  }
};

}  // namespace retrace::inline RETRACE_ISA
