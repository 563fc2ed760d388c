// A trained tensor, its gradient, and the list of all that a network has.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// backward() adds to `gradient`; only zero_gradient() empties it.
template <class T, Device D>
struct Parameter {
  Tensor<T, D> value, gradient;
  bool decays;  ///< weight decay applies: to weights, not to the scales and shifts of channels
  /// Called when a backward pass has added all it will add to `gradient`.
  std::function<void(Parameter&)> on_complete;

  Parameter(D& device, Shape shape, bool decay)
      : value(device, shape, Use::parameter),
        gradient(device, shape, Use::parameter_gradient),
        decays(decay) {
    fill(value.view(), T(0));
    zero_gradient();
  }
  void zero_gradient() { fill(gradient.view(), T(0)); }
  void complete() {
    if (on_complete) on_complete(*this);
  }
};

/// Draws the weights of a layer of `fan_in` inputs from a normal distribution of variance
/// 2/fan_in (He et al. 2015, eq. 10), or of `gain` times that deviation.
template <class T, Device D>
void he_normal(Tensor<T, D>& weights, Index fan_in, Random& random, double gain = 1) {
  if (weights.device().dry()) return;
  const double deviation = gain * std::sqrt(2.0 / static_cast<double>(fan_in));
  std::vector<T> values(static_cast<std::size_t>(weights.shape().size()));
  for (T& value : values) value = static_cast<T>(deviation * random.normal());
  upload(weights.view(), std::span<const T>(values));
}

/// Every parameter of a network, and every buffer and number that is not trained but belongs to
/// its state, by name: "level2.block1.f.conv0.weight". Holds addresses: collect again after moving
/// a layer.
template <class T, Device D>
struct ParameterList {
  struct NamedParameter {
    std::string name;
    Parameter<T, D>* parameter;
  };
  struct NamedBuffer {
    std::string name;
    Tensor<T, D>* tensor;
  };

  /// A number that a layer counts or chooses as it runs.
  struct NamedNumber {
    std::string name;
    std::function<std::int64_t()> get;
    std::function<void(std::int64_t)> set;  ///< throws std::invalid_argument if it cannot be
  };

  std::vector<NamedParameter> parameters;
  std::vector<NamedBuffer> buffers;
  std::vector<NamedNumber> numbers;

  void add(std::string name, Parameter<T, D>& parameter) {
    parameters.push_back({std::move(name), &parameter});
  }
  void add(std::string name, Tensor<T, D>& buffer) {
    buffers.push_back({std::move(name), &buffer});
  }
  void add(std::string name, std::function<std::int64_t()> get,
           std::function<void(std::int64_t)> set) {
    numbers.push_back({std::move(name), std::move(get), std::move(set)});
  }

  /// Trained values, all parameters together.
  Index count() const {
    Index sum = 0;
    for (const NamedParameter& named : parameters) sum += named.parameter->value.shape().size();
    return sum;
  }
  void zero_gradients() {
    for (NamedParameter& named : parameters) named.parameter->zero_gradient();
  }
};

/// "prefix.name", or "name" where there is no prefix.
inline std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + '.' + name;
}

}  // namespace retrace::inline RETRACE_ISA
