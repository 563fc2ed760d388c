// A layer or stage of any type under test, and the results of one pass through it.
#pragma once

#include <algorithm>
#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "retrace/check/findings.hpp"
#include "retrace/check/values.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"
#include "retrace/net/layer_link.hpp"

namespace retrace::inline RETRACE_ISA::contract {

/// A layer or stage of any type, so that checks are compiled only once per element type.
template <class T>
class AnyLayer {
 public:
  using State = Tensor<T, Cpu>;
  using Parameters = ParameterList<T, Cpu>;

  template <class N>
  requires(!std::same_as<N, AnyLayer> && (Stage<N> || Layer<N>)) AnyLayer(N node)
      : link_(make_link<T, Cpu, T>("layer", std::move(node))), invertible_(Invertible<N>) {
    try {
      link_->require_log_det();
      flow_ = true;
    } catch (const StateError&) {
      flow_ = false;
    }
  }

  Shape output_shape(Shape x) const { return link_->output_shape(x); }
  void forward(State& x, Run run, LogDet<Cpu>* log_det = nullptr) {
    link_->forward(x, run, nullptr, nullptr, log_det);
  }
  void inverse(State& y, Run run, LogDet<Cpu>* log_det = nullptr) {
    link_->inverse(y, run, log_det);
  }
  void backward(State& y, State& dy, const LogDet<Cpu>* log_det = nullptr) {
    link_->backward(y, dy, log_det);
  }
  void abandon() { link_->abandon(); }
  void set_mode(Mode mode) { link_->set_mode(mode); }
  bool invertible() const { return invertible_; }
  /// Returns whether it can be a layer of a flow.
  bool flow() const { return flow_; }
  /// Returns null for a layer.
  StageAccess<T, Cpu, T>* stage() { return link_->stage(); }
  void collect(const std::string& prefix, Parameters& list) { link_->collect(prefix, list); }
  Parameters parameters() {
    Parameters list;
    collect("", list);
    return list;
  }

 private:
  std::unique_ptr<Link<T, Cpu>> link_;
  bool invertible_, flow_ = false;
};

template <class T>
std::vector<Values> gradients(AnyLayer<T>& layer) {
  std::vector<Values> list;
  for (auto& named : layer.parameters().parameters)
    list.push_back(values(named.parameter->gradient));
  return list;
}

template <class T>
std::vector<Values> buffers(AnyLayer<T>& layer) {
  std::vector<Values> list;
  for (auto& named : layer.parameters().buffers) list.push_back(values(*named.tensor));
  return list;
}

inline bool all_same(const Values& list) {
  return std::all_of(list.begin(), list.end(), [&](double value) { return value == list[0]; });
}

/// Moves parameters and running averages away from their initial values: scales ("gamma") get both
/// signs and are not near 0, and shifts ("beta", "bias") become random. Other parameters become
/// random only if all their values are equal, because values of 0 or 1 hide many errors.
template <class T>
void randomise(AnyLayer<T>& layer, unsigned seed = 9) {
  auto list = layer.parameters();
  for (auto& named : list.parameters) {
    Values drawn = normal_values(named.parameter->value.shape().size(), seed++);
    if (named.name.ends_with("gamma"))
      for (double& value : drawn) value = (value < 0 ? -0.5 : 0.5) + value / 4;
    else if (named.name.ends_with("beta") || named.name.ends_with("bias"))
      for (double& value : drawn) value /= 2;
    else if (const Values now = values(named.parameter->value); all_same(now))
      for (std::size_t i = 0; i < drawn.size(); ++i) drawn[i] = now[i] + drawn[i] / 4;
    else
      continue;
    assign(named.parameter->value.view(), drawn);
  }
  for (auto& named : list.buffers) {
    Values drawn = normal_values(named.tensor->shape().size(), seed++);
    for (double& value : drawn)
      value = named.name.ends_with("variance") ? 0.5 + std::abs(value) : value / 2;
    assign(named.tensor->view(), drawn);
  }
}

/// The results of one forward and one backward pass.
struct PassValues {
  Values y, x, dx, log_det;
  std::vector<Values> gradients;  ///< gradients of the parameters, in the order of inside()
  std::vector<Values> buffers;    ///< running averages, after both passes
  Shape y_shape, x_shape, dx_shape;
};

/// The gradient with respect to the log-determinants in all checks of layers of flows.
inline constexpr double log_det_gradient = 0.7;

/// Sets gradients to 0, then runs forward, and backward with a normally distributed dy. A layer of
/// a flow takes log-determinants too.
template <class T>
PassValues pass(AnyLayer<T>& layer, const Tensor<T, Cpu>& x, Run run = training) {
  layer.parameters().zero_gradients();
  Tensor<T, Cpu> state = clone(x);
  LogDet<Cpu> log_det(x.device(), x.shape().n);
  log_det.gradient = log_det_gradient;
  LogDet<Cpu>* sum = layer.flow() ? &log_det : nullptr;
  layer.forward(state, run, sum);
  PassValues result;
  result.y = values(state);
  result.y_shape = state.shape();
  auto gradient = normal<T>(x.device(), state.shape(), 2, Use::gradient);
  layer.backward(state, gradient, sum);
  result.x = values(state);
  result.log_det = values(log_det.value);
  result.x_shape = state.shape();
  result.dx = values(gradient);
  result.dx_shape = gradient.shape();
  result.gradients = gradients(layer);
  result.buffers = buffers(layer);
  return result;
}

/// Checks that two results agree to within `tolerance`, relative to the largest value of each
/// tensor.
inline Findings compare(const PassValues& a, const PassValues& b, double tolerance) {
  Findings wrong;
  const auto compared = [&](const char* what, double distance) {
    if (!(distance <= tolerance)) wrong.add(std::string(what) + " differs by " + text(distance));
  };
  compared("y", relative_distance(a.y, b.y));
  compared("x", relative_distance(a.x, b.x));
  compared("dx", relative_distance(a.dx, b.dx));
  compared("the log-determinant", relative_distance(a.log_det, b.log_det));
  for (std::size_t i = 0; i < b.gradients.size(); ++i)
    compared("a gradient", gradient_distance(a.gradients, b.gradients, i));
  for (std::size_t i = 0; i < b.buffers.size(); ++i)
    compared("a buffer", relative_distance(a.buffers.at(i), b.buffers[i]));
  return wrong;
}

}  // namespace retrace::inline RETRACE_ISA::contract
