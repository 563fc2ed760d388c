// A trained tensor, its gradient, and the list of all that a network has.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/math/philox.hpp"

namespace retrace::inline RETRACE_ISA {

/// What a backward pass adds to a gradient.
enum class Adds {
  all,   ///< all there is to add: the gradient is complete afterwards
  part,  ///< a part of it: of one chunk or one micro-batch. Whoever cuts it up says when it is all
  none,  ///< nothing: the gradient with respect to the input is all that is wanted
};

/// backward() adds to `gradient`; only zero_gradient() empties it.
template <class T, Device D>
struct Parameter {
  Tensor<T, D> value;
  Tensor<T, D> gradient;  ///< without elements where it has been released
  bool decays;  ///< weight decay applies: to weights, not to the scales and shifts of channels
  Adds adds = Adds::all;
  /// Called when a backward pass has added all it will add to `gradient`, and needs `value` no
  /// more.
  std::function<void(Parameter&)> on_complete;

  Parameter(D& device, Shape shape, bool decay)
      : value(device, shape, Use::parameter),
        gradient(device, shape, Use::parameter_gradient),
        decays(decay) {
    fill(value.view(), T(0));
    zero_gradient();
  }
  void zero_gradient() { fill(gradient.view(), T(0)); }

  /// Where backward adds: a released gradient is made anew.
  View<T, D> accumulator() {
    if (gradient.shape() != value.shape()) {
      gradient = Tensor<T, D>(value.device(), value.shape(), Use::parameter_gradient);
      zero_gradient();
    }
    return gradient.view();
  }
  /// Gives the memory of the gradient back until the next backward pass.
  void release_gradient() { gradient = Tensor<T, D>::none(value.device()); }

  void complete() {
    if (adds == Adds::all && on_complete) on_complete(*this);
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

template <class T, Device D>
class ChannelNormalisation;

/// Every parameter of a network, and every buffer and number that is not trained but belongs to
/// its state, by name: "level2.block1.f.conv0.weight". Holds addresses: collect again after moving
/// a layer. In the order of forward, so that backward meets them from the last to the first.
template <class T, Device D>
struct ParameterList {
  using Normalisation = ChannelNormalisation<T, D>;

  /// One that is trained.
  struct NamedParameter {
    std::string name;
    Parameter<T, D>* parameter;
  };
  /// Values that are not trained: running averages, velocities.
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
  /// Whose backward needs sums over a batch.
  struct NamedNormalisation {
    std::string name;
    Normalisation* normalisation;
    std::size_t before;  ///< how many parameters come before its own
  };

  std::vector<NamedParameter> parameters;
  std::vector<NamedBuffer> buffers;
  std::vector<NamedNumber> numbers;
  std::vector<NamedNormalisation> normalisations;

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
  /// Before its parameters are added.
  void add(std::string name, Normalisation& normalisation) {
    normalisations.push_back({std::move(name), &normalisation, parameters.size()});
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
  /// Gives the memory of all gradients back until the next backward pass.
  void release_gradients() {
    for (NamedParameter& named : parameters) named.parameter->release_gradient();
  }
};

/// Says for a while what the parameters of a list are given. Where nothing is wanted, nothing is.
template <class T, Device D>
class AddsGuard {
 public:
  explicit AddsGuard(const ParameterList<T, D>& list) {
    for (const auto& named : list.parameters)
      before_.push_back({named.parameter, named.parameter->adds});
  }
  ~AddsGuard() { restore(); }
  AddsGuard(const AddsGuard&) = delete;
  AddsGuard& operator=(const AddsGuard&) = delete;

  void set(std::size_t index, Adds adds) {
    const auto& [parameter, before] = before_[index];
    parameter->adds = before == Adds::none ? Adds::none : adds;
  }
  void set_all(Adds adds) {
    for (std::size_t i = 0; i < before_.size(); ++i) set(i, adds);
  }
  void restore() {
    for (const auto& [parameter, before] : before_) parameter->adds = before;
  }

 private:
  std::vector<std::pair<Parameter<T, D>*, Adds>> before_;
};

/// "prefix.name", or "name" where there is no prefix.
inline std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + '.' + name;
}

}  // namespace retrace::inline RETRACE_ISA
