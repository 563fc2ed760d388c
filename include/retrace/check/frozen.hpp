// What a layer leaves alone: parameters that are frozen, averages that are held.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "retrace/check/any_layer.hpp"
#include "retrace/check/slopes.hpp"

namespace retrace::inline RETRACE_ISA::check {

/// A pass for the gradient of the input alone adds to no gradient. A frozen parameter gets none, no
/// memory for one, and is never said to be complete. dx and the gradients of the other parameters
/// have the same bits in all of these passes.
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
        wrong.add("the gradient of " + parameters[i].name + " is added to if none is wanted");
    if (!same_bits(none.dx, all.dx)) wrong.add("dx is another one if no gradients are wanted");
  }
  if (!wrong.empty()) return wrong;  // a frozen parameter has no memory to add to

  for (std::size_t i = 0; i < parameters.size(); ++i) {
    Parameter<T, Cpu>& frozen = *parameters[i].parameter;
    frozen.freeze();
    bool completed = false;
    frozen.on_complete = [&](auto&) { completed = true; };
    const PassValues others = pass(layer, x, run);
    if (frozen.has_gradient()) wrong.add(parameters[i].name + " is frozen but gets a gradient");
    if (completed) wrong.add(parameters[i].name + " is frozen but said to be complete");
    if (!same_bits(others.dx, all.dx))
      wrong.add("dx is another one if " + parameters[i].name + " is frozen");
    for (std::size_t k = 0; k < parameters.size(); ++k)
      if (k != i && !same_bits(others.gradients[k], all.gradients[k]))
        wrong.add("the gradient of " + parameters[k].name + " is another one if " +
                  parameters[i].name + " is frozen");
    frozen.on_complete = {};
    frozen.unfreeze();
    frozen.accumulator();
  }
  return wrong;
}

/// With its running averages held, a layer trains by them and leaves them as they are; its
/// gradients are the slopes of that function.
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
    wrong.add("held averages: training gives another output than inference");
  for (const auto& named : list.statistics) named.statistics->hold(false);
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::check
