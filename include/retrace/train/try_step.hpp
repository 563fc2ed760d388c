// A pass that throws leaves a network as it was.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "retrace/train/buffer_snapshot.hpp"

namespace retrace::inline RETRACE_ISA {

/// What a pass adds to, kept so that a pass that throws can be taken back: running averages,
/// numbers and gradients. Gradients that are empty, as they usually are, take no memory here.
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

  /// All is as it was, but for what an optimizer that steps inside backward has moved.
  /// @param numbers  those that layers count or choose, too: steps, anchors, fraction bits
  void undo(bool numbers = true) {
    if (numbers)
      buffers_.give_back();  // and empties gradients
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

/// Returns what body() returns. If it throws, gradients, running averages and numbers of the net
/// are as they were before, so that a second try with a smaller batch has the bits of a first:
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
