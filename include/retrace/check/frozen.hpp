// Frozen parameters and held averages must not change.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "retrace/check/any_layer.hpp"
#include "retrace/check/slopes.hpp"

namespace retrace::inline RETRACE_ISA::contract {

/// Checks that a pass for the input gradient alone adds to no parameter gradient. A frozen
/// parameter must have neither a gradient nor memory for one, and must never be reported complete.
/// dx and the other gradients must have the same bits in all of these passes.
template <class T>
Findings check_frozen(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  Findings wrong;
  const auto list = layer.parameters();
  const auto& parameters = list.parameters;
  const PassValues all = pass(layer, x, run);
  {
    AddsGuard adds(list);
    adds.set_all(Adds::none);
    const PassValues none = pass(layer, x, run);
    for (std::size_t i = 0; i < parameters.size(); ++i)
      if (!(largest(none.gradients[i]) == 0))
        wrong.add("the gradient of " + parameters[i].name +
                  " is added to although no gradients are requested");
    if (!same_bits(none.dx, all.dx))
      wrong.add("dx changes if no parameter gradients are requested");
  }
  if (!wrong.empty()) return wrong;  // otherwise a frozen parameter has no memory to add to

  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Parameter<T, Cpu>& frozen = *parameters[i].parameter;
    frozen.freeze();
    bool completed = false;
    frozen.on_complete = [&](auto&) { completed = true; };
    const PassValues others = pass(layer, x, run);
    if (frozen.has_gradient()) wrong.add(parameters[i].name + " is frozen but gets a gradient");
    if (completed) wrong.add(parameters[i].name + " is frozen but said to be complete");
    if (!same_bits(others.dx, all.dx))
      wrong.add("dx changes if " + parameters[i].name + " is frozen");
    for (std::size_t k = 0; k < parameters.size(); ++k)
      if (k != i && !same_bits(others.gradients[k], all.gradients[k]))
        wrong.add("the gradient of " + parameters[k].name + " changes if " + parameters[i].name +
                  " is frozen");
    frozen.on_complete = {};
    frozen.unfreeze();
    frozen.accumulator();
  }
  return wrong;
}

/// Checks that training with held running averages uses them and leaves them unchanged, and that
/// the gradients are those of that function.
template <std::same_as<double> T>
Findings check_held_averages(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  Findings wrong;
  const auto list = layer.parameters();
  if (list.statistics.empty()) return wrong;
  for (const auto& named : list.statistics) named.statistics->hold(true);
  const auto before = buffers(layer);
  wrong.add("held averages", check_gradients(layer, x, run));
  const PassValues trained = pass(layer, x, run);
  if (!same_bits(trained.buffers, before)) wrong.add("training moves held averages");
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, inference);
  if (!same_bits(values(state), trained.y))
    wrong.add("held averages: the output of training differs from that of inference");
  for (const auto& named : list.statistics) named.statistics->hold(false);
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
