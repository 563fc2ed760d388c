#include "image_optimizer.hpp"

Optimizer make_optimizer(retrace::ParameterList<float, Device> list,
                         const OptimizerOptions& options, Sgd::Inspect inspect) {
  if (options.rule == Rule::adamw)
    return Optimizer(AdamW(std::move(list),
                           {.beta2 = options.beta2,
                            .weight_decay = options.weight_decay,
                            .clip = options.clip,
                            .clip_each = options.clip_each,
                            .fused = options.fused},
                           std::move(inspect)));
  return Optimizer(Sgd(std::move(list),
                       {.momentum = options.momentum,
                        .nesterov = options.nesterov,
                        .weight_decay = options.weight_decay,
                        .clip = options.clip,
                        .clip_each = options.clip_each,
                        .fused = options.fused},
                       std::move(inspect)));
}
