// The optimizer of train_text: AdamW or Adafactor.
#pragma once

#include <utility>
#include <variant>

#include "any_optimizer.hpp"
#include "options.hpp"
#include "retrace/train/rules/adafactor.hpp"
#include "retrace/train/rules/adamw.hpp"

using TextOptimizer =
    AnyOptimizer<retrace::AdamW<float, Device>, retrace::Adafactor<float, Device>>;

inline TextOptimizer make_optimizer(retrace::ParameterList<float, Device> list,
                                    const Options& options) {
  if (options.optimizer == OptimizerKind::adafactor)
    return TextOptimizer(
        retrace::Adafactor<float, Device>(std::move(list), {.relative = false,
                                                            .weight_decay = options.weight_decay,
                                                            .clip = options.clip,
                                                            .clip_each = options.clip_each,
                                                            .fused = options.fused_optimizer}));
  return TextOptimizer(
      retrace::AdamW<float, Device>(std::move(list), {.beta2 = options.beta2,
                                                      .weight_decay = options.weight_decay,
                                                      .clip = options.clip,
                                                      .clip_each = options.clip_each,
                                                      .fused = options.fused_optimizer}));
}
