// The concept of a loss, which compares a network's output with the targets of a batch.
#pragma once

#include <concepts>

#include "retrace/core/tensor.hpp"
#include "retrace/layer/log_det.hpp"

namespace retrace::inline RETRACE_ISA {

/// The result of a loss on a batch or a micro-batch.
struct LossValue {
  double sum = 0;     ///< weighted sum of the losses of all elements or labels
  double weight = 0;  ///< sum of these weights, the divisor of the mean
  Index correct = 0;  ///< number of labels whose logit is the largest
  Index count = 0;    ///< number of labels evaluated; 0 if the loss has no labels

  double mean() const { return weight > 0 ? sum / weight : 0; }
  /// Returns the fraction of evaluated labels that are correct.
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

/// A function object that is called as `loss(y, dy)`. It writes the gradient of the **mean** loss
/// with respect to y into every element of dy, which has y's shape, and returns the sums. A lambda
/// is enough:
///
///     const auto loss = [&](const auto& y, auto& dy) {
///       fill(dy.view(), 1.f / static_cast<float>(y.shape().size()));
///       return LossValue{.sum = sum_of(y), .weight = static_cast<double>(y.shape().size())};
///     };
///     accumulate_gradients(net, x, loss);
///
/// On a dry device the elements of y and dy do not exist. A loss that is passed to peak_memory()
/// must not access them; the operations of a device skip them on their own.
template <class L, class T, class D>
concept PlainLoss = requires(const L& loss, const Tensor<T, D>& y, Tensor<T, D>& dy) {
  { loss(y, dy) } -> std::convertible_to<LossValue>;
};

/// A loss of flows, called as `loss(y, dy, log_det)`: it reads the log-determinants of the images
/// too and sets their gradient. The network must be a flow.
template <class L, class T, class D>
concept FlowLoss = requires(const L& loss, const Tensor<T, D>& y, Tensor<T, D>& dy,
                            LogDet<D>& log_det) {
  { loss(y, dy, log_det) } -> std::convertible_to<LossValue>;
};

template <class L, class T, class D>
concept Loss = PlainLoss<L, T, D> || FlowLoss<L, T, D>;

/// L = 0, for uses that do not depend on the loss, such as measuring the memory of a step.
struct NoLoss {
  template <class T, Device D>
  LossValue operator()(const Tensor<T, D>&, Tensor<T, D>& dy) const {
    fill(dy.view(), T(0));
    return {};
  }
};

}  // namespace retrace::inline RETRACE_ISA
