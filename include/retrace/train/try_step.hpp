// Restores the state of a network if a pass throws.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "retrace/train/buffer_snapshot.hpp"

namespace retrace::inline RETRACE_ISA {

/// A copy of the state that a pass changes: running averages, numbers and gradients. It undoes a
/// pass that throws. Gradients that are zero, as is usual, take no memory here.
template <class T, Device D>
class StepUndo {
 public:
  /// The tensors of the list must stay where they are.
  explicit StepUndo(const ParameterList<T, D>& list) : list_(list), buffers_(list) {
    for (const auto& named : list_.parameters) {
      const Tensor<T, D>& gradient = named.parameter->gradient;
      gradients_.emplace_back();
      if (gradient.shape().size() > 0 && !(sum_of_squares(gradient.view()) == 0))
        gradients_.back() = clone(gradient, Use::stash);
    }
  }

  /// Restores the state, except for parameters that a fused optimizer has updated.
  /// @param numbers  whether to restore the numbers of layers too: steps, anchors, fraction bits
  void undo(bool numbers = true) {
    if (numbers)
      buffers_.give_back();  // also zeroes gradients
    else
      buffers_.give_back_buffers();
    for (std::size_t i = 0; i < gradients_.size(); ++i)
      if (gradients_[i])
        copy(list_.parameters[i].parameter->accumulator(), std::as_const(*gradients_[i]).view());
  }

 private:
  ParameterList<T, D> list_;
  BufferSnapshot<T, D> buffers_;
  std::vector<std::optional<Tensor<T, D>>> gradients_;
};

/// Returns the result of body(). If it throws, restores gradients, running averages and numbers of
/// the net, so a second try with a smaller batch gives the same bits as a first one:
///
///     try_step(net, [&] { return accumulate_gradients(net, x, loss); });
template <class Net, class Body>
auto try_step(Net& net, Body body) {
  StepUndo undo(net.parameters());
  try {
    return body();
  } catch (...) {
    net.abandon();
    undo.undo();
    throw;
  }
}

}  // namespace retrace::inline RETRACE_ISA
