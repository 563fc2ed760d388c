// The optimizer of train_images: SGD or AdamW.
#pragma once

#include <string_view>

#include "any_optimizer.hpp"
#include "device.hpp"
#include "retrace/train/rules/adamw.hpp"
#include "retrace/train/rules/sgd.hpp"

using Sgd = retrace::Sgd<float, Device>;
using AdamW = retrace::AdamW<float, Device>;
using Optimizer = AnyOptimizer<Sgd, AdamW>;

/// The rules of --optimizer.
enum class Rule { sgd, adamw };

/// Returns the name on a command line.
constexpr std::string_view name(Rule rule) { return rule == Rule::sgd ? "sgd" : "adamw"; }

struct OptimizerOptions {
  Rule rule = Rule::sgd;
  double momentum = 0.9;  ///< of SGD
  bool nesterov = false;  ///< of SGD
  double beta2 = 0.99;    ///< of AdamW
  double weight_decay = 0, clip = 0, clip_each = 0;
  bool fused = false;
};

/// @param inspect  called before each fused update, see retrace::Optimizer
Optimizer make_optimizer(retrace::ParameterList<float, Device> list,
                         const OptimizerOptions& options, Sgd::Inspect inspect = {});

/// Returns the bytes of its moments per element of a parameter.
constexpr std::size_t moment_bytes(Rule rule) {
  return (rule == Rule::sgd ? 1 : 2) * sizeof(float);
}
