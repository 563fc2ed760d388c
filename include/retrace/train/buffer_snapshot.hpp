// What a forward pass changes in a network, kept so that the pass can be taken back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "retrace/layer/parameter_list.hpp"

namespace retrace::inline RETRACE_ISA {

/// A copy of the buffers and numbers of a network: running averages, steps of generators. With it
/// a training step that is not to count leaves no trace, if the optimizer has not moved yet.
template <class T, Device D>
class BufferSnapshot {
 public:
  /// The tensors of the list must stay where they are.
  explicit BufferSnapshot(const ParameterList<T, D>& list) : list_(list) {
    for (const auto& named : list_.buffers)
      copies_.push_back(clone(named.tensor->view(), Use::stash));
    take();
  }

  /// Replaces the copy by what there is now.
  void take() {
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copy(copies_[i].view(), list_.buffers[i].tensor->view());
    numbers_.clear();
    for (const auto& named : list_.numbers) numbers_.push_back(named.get());
  }

  /// Puts buffers back and empties the gradients; what layers count or have chosen stays.
  void give_back_buffers() {
    for (std::size_t i = 0; i < copies_.size(); ++i)
      copy(list_.buffers[i].tensor->view(), copies_[i].view());
    list_.zero_gradients();
  }
  /// Puts numbers back as well.
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
