// An exponential moving average of a network's weights.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "retrace/train/optimizer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Averages every parameter and buffer: each update() sets average = d·average + (1 − d)·value,
/// with d = min(decay, (1 + t)/(10 + t)) at update t, so that the first values fade quickly. Stores
/// one copy of all tensors (Use::optimizer).
///
///     WeightAverage average(net.parameters(), 0.999);
///     optimizer.step(rate), average.update();
///     {
///       const WeightAverage<float, Cpu>::Swapped swapped(average);
///       evaluate(net, x, loss);
///     }
template <class T, Device D>
class WeightAverage {
 public:
  /// The tensors of the list must stay where they are. The average starts with their values.
  /// @throws std::invalid_argument unless 0 ≤ decay < 1.
  explicit WeightAverage(ParameterList<T, D> list, double decay = 0.999)
      : list_(std::move(list)), decay_(decay) {
    require_share("WeightAverage", "decay", decay);
    for_each([this](const std::string& name, Tensor<T, D>& tensor) {
      names_.push_back(name);
      averages_.push_back(clone(tensor, Use::optimizer));
    });
  }

  /// Updates the average with the current values of the network.
  void update() {
    const auto t = static_cast<double>(updates_++);
    const double kept = std::min(decay_, (1 + t) / (10 + t));
    std::size_t i = 0;
    for_each([&](const std::string&, Tensor<T, D>& tensor) {
      Tensor<T, D> part = clone(tensor, Use::workspace);
      scale(part.view(), 1 - kept);
      scale(averages_[i].view(), kept);
      add(averages_[i].view(), std::as_const(part).view());
      ++i;
    });
  }

  /// Exchanges the averages and the values of the network. A second call restores both.
  void swap() {
    std::size_t i = 0;
    for_each([&](const std::string&, Tensor<T, D>& tensor) {
      Tensor<T, D>& average = averages_[i++];
      const Tensor<T, D> held = clone(tensor, Use::workspace);
      copy(tensor.view(), std::as_const(average).view());
      copy(average.view(), held.view());
    });
  }
  /// Scope guard that swaps averages and values, and swaps them back at the end.
  class Swapped {
   public:
    explicit Swapped(WeightAverage& average) : average_(average) { average_.swap(); }
    ~Swapped() { average_.swap(); }
    Swapped(const Swapped&) = delete;
    Swapped& operator=(const Swapped&) = delete;

   private:
    WeightAverage& average_;
  };

  /// Adds the averages and the number of updates to the list.
  void collect(const std::string& prefix, ParameterList<T, D>& list) {
    list.add(
        joined(prefix, "updates"), [this] { return updates_; },
        [this](std::int64_t updates) { updates_ = updates; });
    for (std::size_t i = 0; i < averages_.size(); ++i)
      list.add(joined(prefix, names_[i]), averages_[i]);
  }

 private:
  template <class Body>
  void for_each(Body body) {
    for (const auto& named : list_.parameters) body(named.name, named.parameter->value);
    for (const auto& named : list_.buffers) body(named.name, *named.tensor);
  }

  ParameterList<T, D> list_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<std::string> names_;
  std::vector<Tensor<T, D>> averages_;
};

}  // namespace retrace::inline RETRACE_ISA
