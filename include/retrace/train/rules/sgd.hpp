// Stochastic gradient descent with momentum.
#pragma once

#include "retrace/core/update.hpp"
#include "retrace/train/optimizer.hpp"
#include "retrace/train/schedule.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of stochastic gradient descent, except for the learning rate.
struct SgdOptions {
  double momentum = 0.9;
  bool nesterov = false;    ///< uses Nesterov momentum
  double weight_decay = 0;  ///< applies to weights, not to scales and shifts
  double clip = 0;          ///< largest norm of all gradients; 0: no limit. Must be 0 if fused
  double clip_each = 0;     ///< largest norm of one parameter's gradient; 0: no limit
  bool fused = false;       ///< updates inside backward, see Optimizer::arm
};

/// v = momentum·v + g + decay·w,  w −= rate·v (Sutskever et al. 2013). Stores one v per parameter.
struct SgdRule {
  using Options = SgdOptions;
  static constexpr const char* name = "Sgd";
  static constexpr bool counts_steps = false;

  static void require(const Options& options) { require_share(name, "momentum", options.momentum); }
  static std::vector<Moment> moments(Shape value) { return {{"", value}}; }
  static Momentum step_of(const Options& options, std::int64_t) {
    return {options.momentum, options.nesterov};
  }
};

/// `Sgd optimizer(net.parameters(), {.momentum = 0.9});`
template <class T, Device D>
struct Sgd : Optimizer<SgdRule, T, D> {
  using Optimizer<SgdRule, T, D>::Optimizer;
};
template <class T, Device D>
Sgd(ParameterList<T, D>, SgdOptions = {}) -> Sgd<T, D>;

}  // namespace retrace::inline RETRACE_ISA
