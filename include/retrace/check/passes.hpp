// Successive passes of a layer: the last one counts, and a bad batch leaves no trace.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "retrace/check/any_layer.hpp"
#include "retrace/net/chain.hpp"

namespace retrace::inline RETRACE_ISA::contract {
namespace detail {

/// A layer under test in a chain.
template <class T>
struct Borrowed {
  using State = Tensor<T, Cpu>;
  using Gradient = State;
  AnyLayer<T>* layer;

  Shape output_shape(Shape x) const { return layer->output_shape(x); }
  void forward(State& x, Run run, LogDet<Cpu>* log_det = nullptr) {
    layer->forward(x, run, log_det);
  }
  void inverse(State& y, Run run, LogDet<Cpu>* log_det = nullptr) {
    layer->inverse(y, run, log_det);
  }
  void backward(State& y, Gradient& dy, const LogDet<Cpu>* log_det = nullptr) {
    layer->backward(y, dy, log_det);
  }
  void require_log_det() const {
    if (!layer->flow()) throw StateError("the layer under test has no log-determinant");
  }
  void abandon() { layer->abandon(); }
  void set_mode(Mode mode) { layer->set_mode(mode); }
  void collect(const std::string& prefix, ParameterList<T, Cpu>& list) {
    layer->collect(prefix, list);
  }
};

/// Runs forward of x, another run on `between`, and backward of x through a chain. This must give
/// the gradients of x, or a StateError before anything is added.
template <class T>
Findings check_interrupted(AnyLayer<T>& layer, const Tensor<T, Cpu>& x,
                           const Tensor<T, Cpu>& between, Run run, Run other,
                           const std::string& what) {
  Findings wrong;
  const PassValues expected = pass(layer, x, run);
  layer.parameters().zero_gradients();
  Chain<T, Cpu> chain;
  chain.add("layer", Borrowed<T>{&layer});
  Tensor<T, Cpu> y = clone(x), z = clone(between);
  LogDet<Cpu> log_det(x.device(), x.shape().n);
  log_det.gradient = log_det_gradient;
  LogDet<Cpu>* sum = layer.flow() ? &log_det : nullptr;
  chain.forward(y, run, sum);
  chain.forward(z, other);
  auto dy = normal<T>(x.device(), y.shape(), 2, Use::gradient);
  try {
    chain.backward(y, dy, sum);
    if (!same_bits(values(dy), expected.dx) || !same_bits(gradients(layer), expected.gradients))
      wrong.add("after " + what + ", backward gives wrong gradients and no error");
  } catch (const StateError&) {
    for (const Values& gradient : gradients(layer))
      if (!(largest(gradient) == 0)) wrong.add("after " + what + ", a refused backward adds");
  }
  layer.abandon();
  return wrong;
}

}  // namespace detail

/// Checks that the last of two forward passes counts: its backward gives the same bits as without
/// the first pass. Backward of the first pass, or of a pass followed by an inference, must give
/// that pass's gradients or throw before anything is added.
template <class T>
Findings check_two_passes(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  Findings wrong;
  const auto other = spread<T>(x.device(), x.shape(), 7);
  const PassValues alone = pass(layer, x, run);
  Tensor<T, Cpu> before = clone(other);
  layer.forward(before, run);
  const PassValues last = pass(layer, x, run);
  if (!same_bits(last.y, alone.y) || !same_bits(last.x, alone.x) || !same_bits(last.dx, alone.dx) ||
      !same_bits(last.gradients, alone.gradients))
    wrong.add("a forward pass without a backward changes the next pass");
  layer.abandon();
  wrong.add(detail::check_interrupted(layer, x, other, run, run, "another batch"));
  wrong.add(detail::check_interrupted(layer, x, other, run, inference, "an inference"));
  return wrong;
}

/// Checks that a batch with NaN, infinity or a number near the largest leaves buffers finite and
/// does not change the bits of the next pass.
template <class T>
Findings check_bad_batch(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  using Limits = std::numeric_limits<T>;
  Findings wrong;
  const auto list = layer.parameters();
  const PassValues good = pass(layer, x, run);
  for (const T poison : {Limits::quiet_NaN(), Limits::infinity(), Limits::max()}) {
    const std::string what = "a batch with " + text(static_cast<double>(poison));
    const auto before = buffers(layer);
    Tensor<T, Cpu> bad = clone(x);
    bad.data()[0] = poison;
    pass(layer, bad, run);
    for (std::size_t i = 0; i < list.buffers.size(); ++i) {
      const Values now = values(*list.buffers[i].tensor);
      for (const double value : now)
        if (!std::isfinite(value)) {
          wrong.add(what + " makes " + list.buffers[i].name + ' ' + text(value));
          break;
        }
      assign(list.buffers[i].tensor->view(), before[i]);
    }
    const PassValues next = pass(layer, x, run);
    if (!same_bits(next.y, good.y) || !same_bits(next.dx, good.dx) ||
        !same_bits(next.gradients, good.gradients))
      wrong.add(what + " changes the next pass");
  }
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
