// Lion: updates by the sign of a moving average.
#pragma once

#include "retrace/core/update.hpp"
#include "retrace/train/optimizer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of Lion.
struct LionOptions {
  double beta1 = 0.9, beta2 = 0.99;  ///< decay of the average in the update, and of the stored one
  double weight_decay = 0;           ///< applies to weights, not to scales and shifts
  double clip = 0;                   ///< largest norm of all gradients together; 0: no limit
  double clip_each = 0;              ///< largest norm of one parameter's gradient; 0: no limit
  bool fused = false;                ///< updates inside backward, see Optimizer::arm
};

/// w −= rate·(sign(β₁·m + (1 − β₁)·g) + decay·w),  m = β₂·m + (1 − β₂)·g (Chen et al. 2023). A
/// suitable rate is that of AdamW divided by 3 to 10.
struct LionRule {
  using Options = LionOptions;
  static constexpr const char* name = "Lion";
  static constexpr bool counts_steps = false;

  static void require(const Options& options) {
    require_share(name, "beta1", options.beta1);
    require_share(name, "beta2", options.beta2);
  }
  static std::vector<Moment> moments(Shape value) { return {{"", value}}; }
  static LionStep step_of(const Options& options, std::int64_t) {
    return {options.beta1, options.beta2};
  }
};

/// `Lion optimizer(net.parameters(), {.weight_decay = 0.1});`
template <class T, Device D>
struct Lion : Optimizer<LionRule, T, D> {
  using Optimizer<LionRule, T, D>::Optimizer;
};
template <class T, Device D>
Lion(ParameterList<T, D>, LionOptions = {}) -> Lion<T, D>;

}  // namespace retrace::inline RETRACE_ISA
