// The promises of layer/layer.hpp, one check each.
#pragma once

#include <cmath>
#include <concepts>
#include <cstddef>
#include <string>
#include <vector>

#include "retrace/check/any_layer.hpp"

namespace retrace::inline RETRACE_ISA::contract {

/// Checks that inverse undoes forward to within `roundings`, with batch and with running
/// statistics.
template <class T>
Findings check_inverse(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, double roundings) {
  Findings wrong;
  for (Run run : {training, inference}) {
    const std::string name = run == training ? "inverse by the batch" : "inverse by the averages";
    Tensor<T, Cpu> state = clone(x);
    layer.forward(state, run);
    const auto before = buffers(layer);
    layer.inverse(state, run);
    layer.abandon();
    if (state.shape() != x.shape())
      wrong.add(name + " gives shape " + to_string(state.shape()));
    else
      wrong.add(too_far(name, distance_in_roundings<T>(values(state), values(x)), roundings));
    if (!same_bits(buffers(layer), before)) wrong.add(name + " moves a buffer");
  }
  return wrong;
}

/// Checks that backward reconstructs x to within `roundings`, and that the gradients have the same
/// bits if run.restore is off.
template <class T>
Findings check_backward_restores_input(AnyLayer<T>& layer, const Tensor<T, Cpu>& x,
                                       double roundings, Run run = training) {
  Findings wrong;
  const PassValues full = pass(layer, x, run);
  if (full.x_shape != x.shape())
    wrong.add("backward reconstructs shape " + to_string(full.x_shape));
  if (full.dx_shape != x.shape()) wrong.add("dx has shape " + to_string(full.dx_shape));
  if (!wrong.empty()) return wrong;
  wrong.add(
      too_far("the reconstructed input", distance_in_roundings<T>(full.x, values(x)), roundings));

  Run careless = run;
  careless.restore = false;
  const PassValues without = pass(layer, x, careless);
  if (without.dx_shape != x.shape())
    wrong.add("without restore, backward gives a dx of shape " + to_string(without.dx_shape));
  if (!same_bits(without.dx, full.dx) || !same_bits(without.gradients, full.gradients))
    wrong.add("without restore, the gradients differ");
  return wrong;
}

/// Checks that y, dx and the parameter gradients agree with those of the same layer in double. The
/// parameters and buffers of `layer` are copied to `reference`.
template <class T>
Findings check_agreement(AnyLayer<T>& layer, AnyLayer<double>& reference, const Tensor<T, Cpu>& x,
                         double roundings, Run run = training) {
  auto from = layer.parameters();
  auto to = reference.parameters();
  for (std::size_t i = 0; i < from.parameters.size(); ++i)
    assign(to.parameters[i].parameter->value.view(), values(from.parameters[i].parameter->value));
  for (std::size_t i = 0; i < from.buffers.size(); ++i)
    assign(to.buffers[i].tensor->view(), values(*from.buffers[i].tensor));

  const PassValues single = pass(layer, x, run);
  const PassValues exact = pass(reference, tensor<double>(x.device(), x.shape(), values(x)), run);
  Findings wrong;
  const auto compared = [&](const std::string& what, double relative) {
    wrong.add(too_far(what + " in float", in_roundings<T>(relative), roundings));
  };
  compared("y", relative_distance(single.y, exact.y));
  compared("dx", relative_distance(single.dx, exact.dx));
  for (std::size_t i = 0; i < exact.gradients.size(); ++i)
    compared("the gradient of " + from.parameters[i].name,
             gradient_distance(single.gradients, exact.gradients, i));
  for (std::size_t i = 0; i < exact.buffers.size(); ++i)
    compared(from.buffers[i].name, relative_distance(single.buffers[i], exact.buffers[i]));
  return wrong;
}

/// Checks that two backward passes add up to twice the parameter gradients of one: bit for bit,
/// unless a pass adds in parts.
template <class T>
Findings check_gradients_are_added(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training,
                                   double roundings = 0) {
  const PassValues once = pass(layer, x, run);
  Tensor<T, Cpu> state = clone(x);
  LogDet<Cpu> log_det(x.device(), x.shape().n);
  log_det.gradient = log_det_gradient;
  LogDet<Cpu>* sum = layer.flow() ? &log_det : nullptr;
  layer.forward(state, run, sum);
  auto gradient = normal<T>(x.device(), state.shape(), 2, Use::gradient);
  layer.backward(state, gradient, sum);
  Findings wrong;
  const std::vector<Values> added = gradients(layer);
  for (std::size_t i = 0; i < added.size(); ++i) {
    Values twice = once.gradients[i];
    for (double& value : twice) value *= 2;
    wrong.add(too_far("gradient " + std::to_string(i) + ", added to,",
                      distance_in_roundings<T>(added[i], twice), roundings));
  }
  return wrong;
}

/// Checks that every gradient is reported complete once per backward pass, and never if only a part
/// is added.
template <class T>
Findings check_completion(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  const auto list = layer.parameters();
  std::vector<int> told(list.parameters.size());
  for (std::size_t i = 0; i < told.size(); ++i)
    list.parameters[i].parameter->on_complete = [&told, i](auto&) { ++told[i]; };
  pass(layer, x, run);
  const std::vector<int> after_all = told;
  AddsGuard adds(list);
  adds.set_all(Adds::part);
  pass(layer, x, run);
  for (auto& named : list.parameters) named.parameter->on_complete = {};

  Findings wrong;
  for (std::size_t i = 0; i < told.size(); ++i) {
    const std::string gradient = "the gradient of " + list.parameters[i].name;
    if (after_all[i] != 1)
      wrong.add(gradient + " is said to be complete " + std::to_string(after_all[i]) +
                " times in a backward pass");
    if (told[i] != after_all[i])
      wrong.add(gradient + " is said to be complete where a part was added");
  }
  return wrong;
}

/// Checks that a training step changes the buffers only in forward, and that neither inference nor
/// a rehearsal of a batch changes them.
template <class T>
Findings check_buffers_move_once(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  Findings wrong;
  const auto new_layer = buffers(layer);
  for (Run quiet : {inference, Run{.statistics = run.statistics}}) {
    Tensor<T, Cpu> state = clone(x);
    layer.forward(state, quiet);
    if (!same_bits(buffers(layer), new_layer))
      wrong.add("a run that must not change buffers moves a buffer");
  }
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, run);
  const auto after_forward = buffers(layer);
  if (!new_layer.empty() && same_bits(after_forward, new_layer))
    wrong.add("a training pass moves no buffer");
  auto gradient = normal<T>(x.device(), state.shape(), 2, Use::gradient);
  layer.backward(state, gradient);
  if (!same_bits(buffers(layer), after_forward)) wrong.add("backward moves a buffer");
  return wrong;
}

/// Checks that backward, abandon() and inference leave nothing stored that was not stored before.
template <class T>
Findings check_nothing_is_left(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  MemoryMeter& memory = x.device().memory();
  const Bytes before = memory.live();
  Findings wrong;
  pass(layer, x, run);
  if (memory.live() != before) wrong.add("backward leaves something stored");
  {
    Tensor<T, Cpu> state = clone(x);
    layer.forward(state, run);
  }
  layer.abandon();
  if (memory.live() != before) wrong.add("abandon leaves something stored");
  for (bool after_training : {false, true}) {
    Tensor<T, Cpu> state = clone(x);
    if (after_training) layer.forward(state, run), state = clone(x);
    layer.forward(state, inference);
    state = clone(x);
    Bytes with_x = before;
    with_x[Use::activation] += static_cast<std::size_t>(x.shape().size()) * sizeof(T);
    if (memory.live() != with_x)
      wrong.add(after_training ? "inference leaves tensors stored by training"
                               : "inference leaves something stored");
  }
  layer.abandon();
  return wrong;
}

/// Checks that repeated passes have the same bits.
template <class T>
Findings check_repeats(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  const PassValues first = pass(layer, x, run), second = pass(layer, x, run);
  Findings wrong;
  if (!same_bits(first.y, second.y) || !same_bits(first.x, second.x) ||
      !same_bits(first.dx, second.dx) || !same_bits(first.gradients, second.gradients))
    wrong.add("a second pass gives different bits");
  return wrong;
}

/// Checks that forward and backward accept a batch of no images: shapes are right, gradients stay
/// 0.
template <class T>
Findings check_empty_batch(AnyLayer<T>& layer, Cpu& device, Shape shape, Run run = training) {
  shape.n = 0;
  const Tensor<T, Cpu> x(device, shape);
  const PassValues result = pass(layer, x, run);
  Findings wrong;
  if (result.y_shape.size() != 0 || result.x_shape != shape || result.dx_shape != shape)
    wrong.add("an empty batch has a wrong shape");
  for (const Values& list : result.gradients)
    if (!(largest(list) == 0)) wrong.add("an empty batch has a gradient that is not 0");
  for (const Values& list : result.buffers)
    if (!std::isfinite(largest(list))) wrong.add("an empty batch makes a buffer non-finite");
  return wrong;
}

/// Returns the bytes stored between forward and backward, except y.
template <class T>
std::size_t kept_bytes(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  MemoryMeter& memory = x.device().memory();
  const std::size_t before = memory.live().total();
  Tensor<T, Cpu> state = clone(x);
  layer.forward(state, run);
  const std::size_t kept =
      memory.live().total() - before - static_cast<std::size_t>(state.shape().size()) * sizeof(T);
  layer.abandon();
  return kept;
}

/// Checks that every mode gives the gradients of mode `stored`, which must return the bits of x,
/// and that none stores more. Leaves the layer in mode `reversible`.
template <std::same_as<double> T>
Findings check_modes(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  Findings wrong;
  layer.set_mode(Mode::stored);
  const PassValues stored = pass(layer, x, run);
  if (!same_bits(stored.x, values(x))) wrong.add("mode stored does not restore the input's bits");
  const std::size_t most = kept_bytes(layer, x, run);
  for (Mode mode : {Mode::inverted, Mode::chunked, Mode::reversible}) {
    layer.set_mode(mode);
    const std::string in_mode = "in mode " + std::string(name(mode));
    PassValues values = pass(layer, x, run);
    values.buffers = stored.buffers;  // buffers have moved once more
    wrong.add(in_mode, compare(values, stored, 1e-9));
    if (const std::size_t kept = kept_bytes(layer, x, run); kept > most)
      wrong.add(in_mode + " the layer holds " + std::to_string(kept) + " bytes, but " +
                std::to_string(most) + " in mode stored");
  }
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
