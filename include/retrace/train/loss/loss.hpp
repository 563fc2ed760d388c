// What a loss is: the truth about a batch, held against a network's output.
#pragma once

#include <concepts>

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// What a loss says of a batch, or of a part of one.
struct LossValue {
  double sum = 0;     ///< of the losses of all elements or labels, times their weights
  double weight = 0;  ///< the sum of these weights, which the mean divides by
  Index correct = 0;  ///< labels whose logit is the largest
  Index count = 0;    ///< labels that were judged; 0 where nothing is right or wrong

  double mean() const { return weight > 0 ? sum / weight : 0; }
  /// The share of the judged labels that are right.
  double accuracy() const {
    return count > 0 ? static_cast<double>(correct) / static_cast<double>(count) : 0;
  }
  LossValue& operator+=(const LossValue& part) {
    sum += part.sum;
    weight += part.weight;
    correct += part.correct;
    count += part.count;
    return *this;
  }
};

/// Anything that is called as `loss(y, dy)`: writes the gradient of the **mean** of what y holds
/// into every element of dy, a tensor of y's shape, and says what it has added up. A lambda will
/// do:
///
///     const auto loss = [&](const auto& y, auto& dy) {
///       fill(dy.view(), 1.f / static_cast<float>(y.shape().size()));
///       return LossValue{.sum = sum_of(y), .weight = static_cast<double>(y.shape().size())};
///     };
///     accumulate_gradients(net, x, loss);
///
/// On a dry device elements of y and dy do not exist: a loss for peak_memory() leaves them alone,
/// as all operations of a device do.
template <class L, class T, class D>
concept Loss = requires(const L& loss, const Tensor<T, D>& y, Tensor<T, D>& dy) {
  { loss(y, dy) } -> std::convertible_to<LossValue>;
};

/// L = 0, for networks whose loss does not matter: what a step holds, say.
struct NoLoss {
  template <class T, Device D>
  LossValue operator()(const Tensor<T, D>&, Tensor<T, D>& dy) const {
    fill(dy.view(), T(0));
    return {};
  }
};

}  // namespace retrace::inline RETRACE_ISA
