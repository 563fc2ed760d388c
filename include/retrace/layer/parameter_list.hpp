// All that a network is trained by and consists of, by name.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/batch_statistics.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// Every parameter of a network, and every buffer and number that is not trained but belongs to
/// its state, by name: "level2.block1.f.conv0.weight". Holds addresses: collect again after moving
/// a layer. In the order of forward, so that backward meets them from the last to the first. A
/// parameter that layers share is listed once, by its first name.
template <class T, Device D>
struct ParameterList {
  /// A parameter by name.
  struct NamedParameter {
    std::string name;
    Parameter<T, D>* parameter;
  };
  /// Values that are not trained: running averages, moments of an optimizer.
  struct NamedBuffer {
    std::string name;
    Tensor<T, D>* tensor;
  };
  /// A number that a layer counts or chooses as it runs.
  struct NamedNumber {
    std::string name;
    std::function<std::int64_t()> get;
    std::function<void(std::int64_t)> set;  ///< throws std::invalid_argument if it cannot be
    std::optional<std::int64_t> absent;     ///< a value that checkpoints leave out
  };
  /// A normalisation, whose own parameters are [first, end) of the list.
  struct NamedStatistics {
    std::string name;
    BatchStatistics* statistics;
    std::size_t first, end;
  };

  std::vector<NamedParameter> parameters;
  std::vector<NamedBuffer> buffers;
  std::vector<NamedNumber> numbers;
  std::vector<NamedStatistics> statistics;
  std::shared_ptr<void> holds;  ///< as long as it lives, the chain it is of takes no more layers

  void add(std::string name, Parameter<T, D>& parameter) {
    for (const NamedParameter& named : parameters)
      if (named.parameter == &parameter) return;
    numbers.push_back(
        {name + ".frozen", [&parameter] { return std::int64_t{parameter.frozen()}; },
         [&parameter](std::int64_t frozen) { frozen ? parameter.freeze() : parameter.unfreeze(); },
         0});
    parameters.push_back({std::move(name), &parameter});
  }
  void add(std::string name, Tensor<T, D>& buffer) {
    for (const NamedBuffer& named : buffers)
      if (named.tensor == &buffer) return;
    buffers.push_back({std::move(name), &buffer});
  }
  void add(std::string name, std::function<std::int64_t()> get,
           std::function<void(std::int64_t)> set, std::optional<std::int64_t> absent = {}) {
    numbers.push_back({std::move(name), std::move(get), std::move(set), absent});
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
  /// Frees the memory of all gradients until the next backward pass.
  void release_gradients() {
    for (NamedParameter& named : parameters) named.parameter->release_gradient();
  }
};

/// Returns whether layers record or count something as they run, which a second evaluation before
/// backward would replace: statistics of a batch, draws of dropout.
template <class T, Device D>
bool records(const ParameterList<T, D>& list) {
  const auto counts = [](const auto& number) {
    return !number.name.ends_with("frozen") && !number.name.ends_with("anchored");
  };
  return !list.statistics.empty() || !list.buffers.empty() ||
         std::any_of(list.numbers.begin(), list.numbers.end(), counts);
}

/// Scope guard: sets what a backward pass adds to the parameters of a list, and restores it.
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

/// Takes the gradients away again that are made while it lives: those of a rehearsal have no
/// memory.
template <class T, Device D>
class AbsentGradients {
 public:
  explicit AbsentGradients(const ParameterList<T, D>& list) {
    for (const auto& named : list.parameters)
      if (named.parameter->gradient.shape() != named.parameter->value.shape())
        absent_.push_back(named.parameter);
  }
  ~AbsentGradients() {
    for (Parameter<T, D>* parameter : absent_) parameter->release_gradient();
  }
  AbsentGradients(const AbsentGradients&) = delete;
  AbsentGradients& operator=(const AbsentGradients&) = delete;

 private:
  std::vector<Parameter<T, D>*> absent_;
};

/// "prefix.name", or one of the two if the other is empty.
inline std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : name.empty() ? prefix : prefix + '.' + name;
}

}  // namespace retrace::inline RETRACE_ISA
