// Steps against the gradients of a network's parameters, by a rule.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/update_term.hpp"
#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA {

/// Whether an optimizer moves the parameter: one that is frozen gets no decay, no step and no
/// moments.
template <class T, Device D>
bool trained(const Parameter<T, D>& parameter) {
  return !parameter.frozen();
}

/// A tensor that a rule keeps for a parameter, zero at first.
struct Moment {
  std::string name;  ///< in front of the parameter's in a checkpoint; empty: none
  Shape shape;
};

/// A gradient has no finite length, so it cannot be clipped. Nothing has been updated.
struct NonfiniteGradient : std::domain_error {
  using std::domain_error::domain_error;
};

/// How a parameter moves against its gradient. Options have at least `weight_decay`, `clip`,
/// `clip_each` and `fused`; require(options) throws std::invalid_argument; moments(shape) says what
/// is kept of a parameter of that shape.
///
/// A rule that goes element by element has step_of(options, t), one of core/update.hpp for the t-th
/// step; another one update(parameter, moments, rate, options, t), which may overwrite the
/// gradient.
template <class R>
concept UpdateRule = requires(const typename R::Options& options) {
  { R::name } -> std::convertible_to<const char*>;
  { R::counts_steps } -> std::convertible_to<bool>;
  { R::moments(Shape{}) } -> std::same_as<std::vector<Moment>>;
  R::require(options);
};

/// @throws std::invalid_argument "AdamW: beta1 is 1.5, but has to be at least 0 and less than 1".
inline void require_option(const char* rule, const char* name, double value, bool ok,
                           const char* allowed) {
  if (!ok || !std::isfinite(value))
    throw std::invalid_argument(std::string(rule) + ": " + name + " is " + std::to_string(value) +
                                ", but has to be " + allowed);
}
inline void require_share(const char* rule, const char* name, double value) {
  require_option(rule, name, value, value >= 0 && value < 1, "at least 0 and less than 1");
}

/// Moves parameters by a rule, with its moments (Use::optimizer). A gradient longer than it may be
/// is first scaled down to that length. A parameter that is frozen, or whose gradient has been
/// released, stays as it is. One that is listed several times is one.
///
/// *Fused*, a parameter takes its step inside backward, as soon as its gradient is complete, and
/// the gradient's memory serves the next parameter: gradients then take what the largest of them
/// takes, and parameters end up the same, bit for bit. What needs all gradients before the first
/// step is not to be had with it: clipping by the norm of all, adding up several batches,
/// discarding a step.
template <UpdateRule Rule, class T, Device D>
class Optimizer {
 public:
  using Options = typename Rule::Options;
  /// Sees a gradient before its fused step, by name, and may throw: then the steps taken before it
  /// are taken.
  using Inspect = std::function<void(const std::string&, const Tensor<T, D>&)>;

  /// The parameters must stay where they are, and those of a fused optimizer are its own as long as
  /// it lives.
  /// @throws std::invalid_argument for options that make no sense, two parameters of one name, or
  ///         if it is to be fused and to clip by the norm of all gradients.
  explicit Optimizer(ParameterList<T, D> list, Options options = {}, Inspect inspect = {})
      : state_(std::make_unique<State>(std::move(list), std::move(options), std::move(inspect))) {}

  /// Takes one step against the gradients and empties them.
  /// @throws StateError if fused: the step has been taken.
  /// @throws std::invalid_argument unless the rate is finite and not negative.
  /// @throws NonfiniteGradient if one is to be clipped whose length is not finite. Nothing has been
  ///         updated, and gradients are as they were.
  void step(double rate) {
    require_rate(rate);
    step_at(rate);
  }
  /// The same at a rate that is on the device, one element: what a recorded step reads.
  void step(View<const T, D> rate) requires(!Rule::counts_steps) { step_at(rate); }

  /// Adds the moments to the state of a training, as buffers: "momentum.level1.block0.weight" under
  /// the prefix "momentum" with Sgd, "adam.mean.level1.block0.weight" with AdamW.
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    State* state = state_.get();
    if constexpr (Rule::counts_steps)
      list.add(
          joined(prefix, "steps"), [state] { return state->steps; },
          [state](std::int64_t steps) { state->steps = steps; });
    for (std::size_t i = 0; i < state->moments.size(); ++i) {
      const auto& [name, parameter] = state->list.parameters[i];
      const std::vector<Moment> kept = Rule::moments(parameter->value.shape());
      for (std::size_t k = 0; k < kept.size(); ++k)
        if (Tensor<T, D>& tensor = state->moments[i][k]; tensor.shape() == kept[k].shape)
          list.add(joined(joined(prefix, kept[k].name), name), tensor);
    }
  }

  /// Fused: in the next backward pass every parameter takes one step at that rate.
  /// @throws std::invalid_argument unless the rate is finite and not negative.
  void arm(double rate) {
    require_rate(rate);
    state_->rate = rate;
    ++state_->steps;
    std::fill(state_->stepped.begin(), state_->stepped.end(), false);
  }

  bool fused() const { return state_->options.fused; }
  const Options& options() const { return state_->options; }
  ParameterList<T, D>& parameters() { return state_->list; }

 private:
  static constexpr bool elementwise = requires(const Options& options) {
    Rule::step_of(options, std::int64_t{});
  };

  static void require_rate(double rate) {
    require_option(Rule::name, "the rate", rate, rate >= 0, "finite and not negative");
  }

  /// At one address for as long as parameters call it.
  struct State {
    State(ParameterList<T, D> parameters, Options chosen, Inspect look)
        : list(std::move(parameters)), options(std::move(chosen)), inspect(std::move(look)) {
      require_options();
      keep_each_once();
      for (auto& named : list.parameters) {
        std::vector<Tensor<T, D>> none;
        for (std::size_t k = 0; k < Rule::moments({}).size(); ++k)
          none.push_back(Tensor<T, D>::none(named.parameter->value.device()));
        moments.push_back(std::move(none));
        make_moments(moments.size() - 1);
      }
      if (options.fused) fuse();
    }
    ~State() {
      if (!options.fused) return;
      for (auto& named : list.parameters) named.parameter->on_complete = {};
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    void require_options() const {
      Rule::require(options);
      for (const auto& [name, value] : {std::pair("weight_decay", options.weight_decay),
                                        {"clip", options.clip},
                                        {"clip_each", options.clip_each}})
        require_option(Rule::name, name, value, value >= 0, "finite and not negative");
      if (options.fused && options.clip > 0)
        throw std::invalid_argument(
            "a fused optimizer has taken its first steps before the last gradient is known, so it "
            "cannot clip by the norm of all of them: clip each parameter's (clip_each), or do not "
            "fuse");
    }

    void keep_each_once() {
      std::set<const Parameter<T, D>*> seen;
      std::set<std::string> names;
      std::erase_if(list.parameters,
                    [&](const auto& named) { return !seen.insert(named.parameter).second; });
      for (const auto& named : list.parameters)
        if (!names.insert(named.name).second)
          throw std::invalid_argument(std::string(Rule::name) + ": two parameters are called '" +
                                      named.name + "'");
    }

    /// None of a frozen parameter.
    void make_moments(std::size_t i) {
      const Tensor<T, D>& value = list.parameters[i].parameter->value;
      const std::vector<Moment> kept = Rule::moments(value.shape());
      for (std::size_t k = 0; k < kept.size(); ++k) {
        Tensor<T, D>& moment = moments[i][k];
        if (!trained(*list.parameters[i].parameter)) {
          moment = Tensor<T, D>::none(value.device());
        } else if (moment.shape() != kept[k].shape) {
          moment = Tensor<T, D>(value.device(), kept[k].shape, Use::optimizer);
          fill(moment.view(), T(0));
        }
      }
    }

    void fuse() {
      stepped.assign(list.parameters.size(), false);
      for (std::size_t i = 0; i < list.parameters.size(); ++i) {
        list.parameters[i].parameter->release_gradient();
        list.parameters[i].parameter->on_complete = [this, i](Parameter<T, D>&) { fused_step(i); };
      }
    }

    /// Whether there is a gradient to step against.
    bool moves(std::size_t i) const {
      const Parameter<T, D>& parameter = *list.parameters[i].parameter;
      return trained(parameter) && parameter.has_gradient();
    }

    template <class Rate>
    void step(Rate step_rate) {
      std::vector<std::size_t> moving;
      for (std::size_t i = 0; i < list.parameters.size(); ++i) {
        make_moments(i);
        if (moves(i)) moving.push_back(i);
      }
      clip(moving);
      ++steps;
      if constexpr (elementwise) {
        std::vector<UpdateTerm<T, D>> terms;
        for (std::size_t i : moving) terms.push_back(term(i));
        update_parameters(std::span<const UpdateTerm<T, D>>(terms), step_rate,
                          Rule::step_of(options, steps));
      } else {
        for (std::size_t i : moving) {
          Parameter<T, D>& parameter = *list.parameters[i].parameter;
          Rule::update(parameter, std::span(moments[i]), step_rate, options, steps);
          parameter.zero_gradient();
        }
      }
    }

    void fused_step(std::size_t i) {
      const auto& [name, parameter] = list.parameters[i];
      const bool dry = parameter->value.device().dry();  // a rehearsal steps nowhere
      if (!dry) {
        if (!rate || stepped[i])
          throw StateError(std::string(Rule::name) + ": the gradient of " + name + " is complete " +
                           (rate
                                ? "a second time: a fused optimizer adds up no batches; call arm() "
                                  "before every backward pass"
                                : "but no rate is known: call arm() before backward"));
        stepped[i] = true;
        if (inspect) inspect(name, parameter->gradient);
        make_moments(i);
      }
      if (moves(i)) {
        clip({i});
        if constexpr (elementwise)
          update_parameter(term(i), rate.value_or(0), Rule::step_of(options, steps));
        else
          Rule::update(*parameter, std::span(moments[i]), rate.value_or(0), options, steps);
      }
      parameter->release_gradient();
    }

    UpdateTerm<T, D> term(std::size_t i) {
      Parameter<T, D>& parameter = *list.parameters[i].parameter;
      return {parameter.value.view(), parameter.gradient.view(), moments[i].front().view(),
              moments[i].back().view(), parameter.decays ? options.weight_decay : 0.0};
    }

    /// Scales gradients down to the lengths they may have.
    void clip(const std::vector<std::size_t>& moving) {
      if (options.clip <= 0 && options.clip_each <= 0) return;
      std::vector<double> squares;
      double sum = 0;
      for (std::size_t i : moving) {
        squares.push_back(squared_norm(i));
        sum += squares.back();
        if (!std::isfinite(sum))
          throw NonfiniteGradient(std::string(Rule::name) + ": the gradient of " +
                                  list.parameters[i].name +
                                  " has no finite length to clip, so nothing has been updated");
      }
      const double norm = std::sqrt(sum);
      const bool all = options.clip > 0 && norm > options.clip;
      for (std::size_t k = 0; k < moving.size(); ++k) {
        const View<T, D> gradient = list.parameters[moving[k]].parameter->gradient.view();
        if (all) scale(gradient, options.clip / norm);
        if (options.clip_each <= 0) continue;
        const double own = std::sqrt(all ? squared_norm(moving[k]) : squares[k]);
        if (own > options.clip_each) scale(gradient, options.clip_each / own);
      }
    }
    double squared_norm(std::size_t i) const {
      return sum_of_squares(std::as_const(list.parameters[i].parameter->gradient).view());
    }

    ParameterList<T, D> list;
    Options options;
    Inspect inspect;
    std::vector<std::vector<Tensor<T, D>>> moments;  ///< of each parameter
    std::int64_t steps = 0;                          ///< taken, or armed
    std::optional<double> rate;
    std::vector<bool> stepped;  ///< since it was armed
  };

  template <class Rate>
  void step_at(Rate rate) {
    if (state_->options.fused)
      throw StateError(std::string(Rule::name) +
                       "::step: a fused optimizer steps inside backward; give arm() the rate "
                       "before it");
    state_->step(rate);
  }

  std::unique_ptr<State> state_;
};

}  // namespace retrace::inline RETRACE_ISA
