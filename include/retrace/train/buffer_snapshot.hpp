// A snapshot of the state that a forward pass changes in a network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA {

/// A copy of the buffers and numbers of a network, such as running averages and steps of random
/// generators. Restoring it undoes a training step before the optimizer has updated parameters.
template <class T, Device D>
class BufferSnapshot {
 public:
  /// The tensors of the list must stay where they are.
  explicit BufferSnapshot(const ParameterList<T, D>& list) : list_(list) {
    for (const auto& named : list_.buffers)
      copies_.push_back(clone(named.tensor->view(), Use::stash));
    take();
  }

  /// Replaces the copy with the current state.
  void take() {
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copy(copies_[i].view(), list_.buffers[i].tensor->view());
    numbers_.clear();
    for (const auto& named : list_.numbers) numbers_.push_back(named.get());
  }

  /// Restores buffers and zeroes gradients. Numbers that layers count or choose do not change.
  void give_back_buffers() {
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copy(list_.buffers[i].tensor->view(), copies_[i].view());
    list_.zero_gradients();
  }
  /// Restores buffers and numbers, and zeroes gradients.
  void give_back() {
    give_back_buffers();
    for (std::size_t i = 0; i < numbers_.size(); ++i) list_.numbers[i].set(numbers_[i]);
  }

 private:
  ParameterList<T, D> list_;
  std::vector<Tensor<T, D>> copies_;
  std::vector<std::int64_t> numbers_;
};

}  // namespace retrace::inline RETRACE_ISA
