// Updates the parameters of a network from their gradients by a rule.
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

/// Returns whether an optimizer updates the parameter. A parameter that is frozen or updated by
/// another process gets no update, no decay and no moments.
template <class T, Device D>
bool trained(const Parameter<T, D>& parameter) {
  return !parameter.frozen() && !parameter.updated_elsewhere;
}

/// A tensor that a rule stores for a parameter, initially zero.
struct Moment {
  std::string name;  ///< prefix of the parameter's name in a checkpoint; empty: none
  Shape shape;
};

/// Thrown if a gradient cannot be clipped because its norm is not finite. Nothing has been updated.
struct NonfiniteGradient : std::domain_error {
  using std::domain_error::domain_error;
};

/// An update rule. Its options have at least `weight_decay`, `clip`, `clip_each` and `fused`.
/// require(options) throws std::invalid_argument if they are invalid. moments(shape) returns the
/// tensors that the rule stores for a parameter of the given shape.
///
/// An elementwise rule has step_of(options, t), which returns an update of core/update.hpp for step
/// t. Any other rule has update(parameter, moments, rate, options, t), which may overwrite the
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

/// Updates parameters by a rule and stores its moments (Use::optimizer). Gradients are first
/// clipped to the norms that the options allow. A parameter that is frozen, or whose gradient has
/// been released, does not change. A parameter that is listed several times is updated once.
///
/// A *fused* optimizer updates each parameter inside backward as soon as its gradient is complete,
/// and then reuses the gradient's memory. Gradients then take only the memory of the largest one.
/// The updated parameters are bit-identical. Operations that need all gradients before the first
/// update are not possible: clipping by the norm of all gradients, accumulating several batches,
/// and skipping a step.
template <UpdateRule Rule, class T, Device D>
class Optimizer {
 public:
  using Options = typename Rule::Options;
  /// Called with the name and gradient of each parameter before its fused update. If it throws,
  /// earlier updates of that step remain.
  using Inspect = std::function<void(const std::string&, const Tensor<T, D>&)>;

  /// The parameters must outlive the optimizer and keep their addresses. Parameters of a fused
  /// optimizer must not have another one.
  /// @throws std::invalid_argument if options are invalid, if two parameters have the same name, or
  ///         if a fused optimizer is to clip by the norm of all gradients.
  explicit Optimizer(ParameterList<T, D> list, Options options = {}, Inspect inspect = {})
      : state_(std::make_unique<State>(std::move(list), std::move(options), std::move(inspect))) {}

  /// Updates all parameters from their gradients, and zeroes the gradients.
  /// @throws StateError if the optimizer is fused, because backward has updated the parameters.
  /// @throws std::invalid_argument unless the rate is finite and not negative.
  /// @throws NonfiniteGradient if the norm of a gradient to be clipped is not finite. Parameters
  ///         and gradients have not changed.
  void step(double rate) {
    require_rate(rate);
    step_at(rate);
  }
  /// Performs the same step with a rate in device memory (one element), for recorded steps.
  void step(View<const T, D> rate) requires(!Rule::counts_steps) { step_at(rate); }

  /// Adds the moments to the list as buffers: "momentum.level1.block0.weight" under the prefix
  /// "momentum" with Sgd, "adam.mean.level1.block0.weight" with AdamW.
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

  /// For fused optimizers: the next backward pass updates every parameter once, at this rate.
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

  /// Has a fixed address, because parameters call it.
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

    /// Creates the moments of a parameter unless it is frozen.
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

    /// Returns whether the parameter has a gradient and is trained.
    bool moves(std::size_t i) const {
      const Parameter<T, D>& parameter = *list.parameters[i].parameter;
      return trained(parameter) && parameter.has_gradient();
    }

    /// Returns whether the gradient counts for the norm of all, wherever it is applied.
    /// @throws StateError if it should, but only another process has it.
    bool has_part_in_norm(std::size_t i) const {
      const auto& [name, parameter] = list.parameters[i];
      if (parameter->frozen()) return false;
      if (options.clip > 0 && parameter->updated_elsewhere && !parameter->has_gradient())
        throw StateError(std::string(Rule::name) + ": the gradient of " + name +
                         " is in another process only, so the norm of all gradients is not known: "
                         "clip each parameter's (clip_each)");
      return parameter->has_gradient();
    }

    template <class Rate>
    void step(Rate step_rate) {
      std::vector<std::size_t> moving, complete;
      for (std::size_t i = 0; i < list.parameters.size(); ++i) {
        make_moments(i);
        if (moves(i)) moving.push_back(i);
        if (has_part_in_norm(i)) complete.push_back(i);
      }
      clip(complete);
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
        }
      }
      for (std::size_t i : complete) {
        Parameter<T, D>& parameter = *list.parameters[i].parameter;
        parameter.set_summed(false);
        if (!elementwise || !moves(i)) parameter.zero_gradient();
      }
    }

    void fused_step(std::size_t i) {
      const auto& [name, parameter] = list.parameters[i];
      const bool dry = parameter->value.device().dry();  // a dry run updates nothing
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

    /// Scales gradients down to the norms that the options allow.
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
    std::int64_t steps = 0;                          ///< number taken or armed
    std::optional<double> rate;
    std::vector<bool> stepped;  ///< whether each parameter was updated since arm()
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
