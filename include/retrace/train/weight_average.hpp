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

/// average = d·average + (1 − d)·value of every parameter and buffer after each update(), where
/// d = min(decay, (1 + t)/(10 + t)) at update t, so that the first ones do not count for long.
/// Keeps one copy of all (Use::optimizer).
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
  /// The tensors of the list must stay where they are. The average starts as what they hold.
  /// @throws std::invalid_argument unless 0 ≤ decay < 1.
  explicit WeightAverage(ParameterList<T, D> list, double decay = 0.999)
      : list_(std::move(list)), decay_(decay) {
    require_share("WeightAverage", "decay", decay);
    for_each([this](const std::string& name, Tensor<T, D>& tensor) {
      names_.push_back(name);
      averages_.push_back(clone(tensor, Use::optimizer));
    });
  }

  /// Takes in what the network holds now.
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

  /// Puts the averages into the network, and what that held in their place; again, and all is as it
  /// was.
  void swap() {
    std::size_t i = 0;
    for_each([&](const std::string&, Tensor<T, D>& tensor) {
      Tensor<T, D>& average = averages_[i++];
      const Tensor<T, D> held = clone(tensor, Use::workspace);
      copy(tensor.view(), std::as_const(average).view());
      copy(average.view(), held.view());
    });
  }
  /// Swapped for as long as this lives.
  class Swapped {
   public:
    explicit Swapped(WeightAverage& average) : average_(average) { average_.swap(); }
    ~Swapped() { average_.swap(); }
    Swapped(const Swapped&) = delete;
    Swapped& operator=(const Swapped&) = delete;

   private:
    WeightAverage& average_;
  };

  /// Adds averages and the number of updates to the state of a training.
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
