// One of two optimizers behind one interface.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "options.hpp"
#include "retrace/train/rules/adafactor.hpp"
#include "retrace/train/rules/adamw.hpp"

class TextOptimizer {
 public:
  TextOptimizer(retrace::ParameterList<float, Device> list, const Options& options)
      : optimizer_(make(std::move(list), options)) {}

  void step(double rate) {
    visit([&](auto& optimizer) { optimizer.step(rate); });
  }
  void arm(double rate) {
    visit([&](auto& optimizer) { optimizer.arm(rate); });
  }
  bool fused() const {
    return std::visit([](const auto& optimizer) { return optimizer.fused(); }, optimizer_);
  }
  retrace::ParameterList<float, Device>& parameters() {
    return std::visit(
        [](auto& optimizer) -> auto& { return optimizer.parameters(); }, optimizer_);
  }
  /// Adds the moments to the list.
  void collect(retrace::ParameterList<float, Device>& list) {
    visit([&](auto& optimizer) { optimizer.collect("optimizer", list); });
  }

 private:
  using AdamW = retrace::AdamW<float, Device>;
  using Adafactor = retrace::Adafactor<float, Device>;
  using Any = std::variant<AdamW, Adafactor>;

  static Any make(retrace::ParameterList<float, Device> list, const Options& options) {
    if (options.optimizer == OptimizerKind::adafactor)
      return Any(std::in_place_type<Adafactor>, std::move(list),
                 retrace::AdafactorOptions{.relative = false,
                                           .weight_decay = options.weight_decay,
                                           .clip = options.clip,
                                           .clip_each = options.clip_each,
                                           .fused = options.fused_optimizer});
    return Any(std::in_place_type<AdamW>, std::move(list),
               retrace::AdamWOptions{.beta2 = options.beta2,
                                     .weight_decay = options.weight_decay,
                                     .clip = options.clip,
                                     .clip_each = options.clip_each,
                                     .fused = options.fused_optimizer});
  }
  template <class Body>
  void visit(Body body) {
    std::visit(body, optimizer_);
  }

  Any optimizer_;
};
