// A layer on a dry device, whose tensors have no elements.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "retrace/check/any_layer.hpp"

namespace retrace::inline RETRACE_ISA::contract {
namespace detail {

/// Runs forward and backward on a tensor without elements. Returns the peak of additional bytes.
template <class T>
std::size_t peak_of_pass(AnyLayer<T>& layer, Cpu& device, Shape shape, Run run, Findings& wrong) {
  layer.abandon();
  MemoryMeter& memory = device.memory();
  const std::size_t before = memory.live().total();
  memory.restart_peak();
  Tensor<T, Cpu> state(device, shape);
  if (!device.dry()) fill(state.view(), T(1));
  LogDet<Cpu> log_det(device, shape.n);
  log_det.gradient = log_det_gradient;
  LogDet<Cpu>* sum = layer.flow() ? &log_det : nullptr;
  layer.forward(state, run, sum);
  if (state.shape() != layer.output_shape(shape))
    wrong.add("forward gives a " + to_string(state.shape()) + ", output_shape says " +
              to_string(layer.output_shape(shape)));
  Tensor<T, Cpu> dy(device, state.shape(), Use::gradient);
  if (!device.dry()) fill(dy.view(), T(1));
  layer.backward(state, dy, sum);
  return memory.peak().total() - before;
}

/// Finds writes of a layer on a dry device to tensors that have elements.
template <class T>
Findings written_by_rehearsal(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run) {
  Cpu& device = x.device();
  const auto dy = normal<T>(device, layer.output_shape(x.shape()), 2, Use::gradient);
  Tensor<T, Cpu> y = clone(dy), dx = clone(x, Use::gradient), state = clone(x),
                 dstate = clone(dy, Use::gradient);
  layer.parameters().zero_gradients();
  const T* const elements = state.data();
  const Values x_before = values(x), dy_before = values(dy);
  bool computes = false;
  const auto compare = [&](const Tensor<T, Cpu>& tensor, const Values& before) {
    computes = computes || !same_bits(before, values(tensor));
  };
  {
    typename Cpu::Rehearsal rehearsal(device);
    if (auto* stage = layer.stage()) {
      stage->apply(y.view(), x.view(), run, Store::set, nullptr, nullptr);
      compare(y, dy_before);
      stage->gradient(x.view(), dy.view(), dx.view(), Store::set);
      compare(dx, x_before);
    } else {
      layer.forward(state, run);
      if (state.data() == elements) {  // in place
        compare(state, x_before);
        const T* const gradient = dstate.data();
        layer.backward(state, dstate);
        if (state.data() == elements) compare(state, x_before);
        if (dstate.data() == gradient) compare(dstate, dy_before);
      }
    }
    layer.abandon();
  }
  Findings wrong;
  if (computes)
    wrong.add(
        "a rehearsal computes: where the device is dry() elements do not exist, so a plain loop "
        "over them fails; cpu::for_each_pixel and the operations run none");
  const auto list = layer.parameters();
  for (const auto& named : list.parameters)
    if (named.parameter->has_gradient() && !(largest(values(named.parameter->gradient)) == 0))
      wrong.add("a rehearsal adds to the gradient of " + named.name);
  return wrong;
}

}  // namespace detail

/// Checks that a layer on a dry device accesses no element and predicts the memory of a real pass.
template <class T>
Findings check_rehearsal(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  Cpu& device = x.device();
  layer.abandon();
  Findings wrong = detail::written_by_rehearsal(layer, x, run);
  if (!wrong.empty()) return wrong;  // it would crash without elements

  const std::vector<Values> before = buffers(layer);
  std::size_t predicted = 0;
  {
    typename Cpu::Rehearsal rehearsal(device);
    predicted = detail::peak_of_pass(layer, device, x.shape(), run, wrong);
  }
  if (!same_bits(buffers(layer), before)) wrong.add("a rehearsal moves a buffer");
  const std::size_t taken = detail::peak_of_pass(layer, device, x.shape(), run, wrong);
  if (predicted != taken)
    wrong.add("a rehearsal predicts " + std::to_string(predicted) + " bytes, but a pass takes " +
              std::to_string(taken));
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
