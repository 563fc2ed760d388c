// Adam with decoupled weight decay.
#pragma once

#include <cmath>

#include "retrace/core/update.hpp"
#include "retrace/train/optimizer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of AdamW.
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999;  ///< decay of the averages of gradients and of squares
  double epsilon = 1e-8;
  double weight_decay = 0.01;  ///< applies to weights, not to scales and shifts
  double clip = 0;             ///< largest norm of all gradients together; 0: no limit
  double clip_each = 0;        ///< largest norm of one parameter's gradient; 0: no limit
  bool fused = false;          ///< updates inside backward, see Optimizer::arm
};

/// m = β₁·m + (1 − β₁)·g,  v = β₂·v + (1 − β₂)·g²,  w −= rate·(m̂/(√v̂ + ε) + decay·w), where
/// m̂ = m/(1 − β₁ᵗ) and v̂ = v/(1 − β₂ᵗ) at step t (Loshchilov & Hutter 2019).
struct AdamWRule {
  using Options = AdamWOptions;
  static constexpr const char* name = "AdamW";
  static constexpr bool counts_steps = true;

  static void require(const Options& options) {
    require_share(name, "beta1", options.beta1);
    require_share(name, "beta2", options.beta2);
    require_option(name, "epsilon", options.epsilon, options.epsilon > 0, "positive");
  }
  static std::vector<Moment> moments(Shape value) { return {{"mean", value}, {"square", value}}; }
  static AdamStep step_of(const Options& options, std::int64_t step) {
    const auto t = static_cast<double>(step > 0 ? step : 1);
    return {options.beta1, options.beta2, options.epsilon, 1 - std::pow(options.beta1, t),
            1 - std::pow(options.beta2, t)};
  }
};

/// `AdamW optimizer(net.parameters(), {.weight_decay = 0.05});`
template <class T, Device D>
struct AdamW : Optimizer<AdamWRule, T, D> {
  using Optimizer<AdamWRule, T, D>::Optimizer;
};
template <class T, Device D>
AdamW(ParameterList<T, D>, AdamWOptions = {}) -> AdamW<T, D>;

}  // namespace retrace::inline RETRACE_ISA
