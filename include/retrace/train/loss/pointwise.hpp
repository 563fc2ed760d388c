// The common part of losses that compare every element with its target.
#pragma once

#include "retrace/core/pointwise_loss.hpp"
#include "retrace/train/loss/loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// The mean over all elements of a loss of core/pointwise_loss.hpp.
///
/// Shapes    y, dy and the target have the same shape.
template <class T, Device D>
class TargetLoss {
 public:
  /// @param target  its elements must outlive this object
  TargetLoss(View<const T, D> target, PointwiseLoss loss, double delta = 1)
      : target_(target), terms_{loss, delta} {}

  /// @throws ShapeError unless all shapes agree.
  LossValue operator()(const Tensor<T, D>& y, Tensor<T, D>& dy) const {
    PointwiseTerms terms = terms_;
    terms.divisor = static_cast<double>(y.shape().size());
    return {.sum = pointwise_loss(dy.view(), y.view(), target_, terms), .weight = terms.divisor};
  }

 private:
  View<const T, D> target_;
  PointwiseTerms terms_;
};

}  // namespace retrace::inline RETRACE_ISA
