// The loss of one element and its derivative.
#pragma once

#include "retrace/core/isa.hpp"
#include "retrace/core/pointwise_loss.hpp"

namespace retrace::inline RETRACE_ISA {

namespace math {

/// A loss and its derivative with respect to y.
struct LossAt {
  double loss, slope;
};

/// Returns the loss of y for a target, and its derivative.
/// @param exponential  e^−|y|
/// @param logarithm    log(1 + e^−|y|)
constexpr LossAt pointwise_loss(const PointwiseTerms& terms, double y, double target,
                                double exponential, double logarithm) {
  const double d = y - target;
  if (terms.loss == PointwiseLoss::squared) return {d * d, 2 * d};
  if (terms.loss == PointwiseLoss::huber) {
    if (d > terms.delta) return {terms.delta * (d - terms.delta / 2), terms.delta};
    if (d < -terms.delta) return {terms.delta * (-d - terms.delta / 2), -terms.delta};
    return {d * d / 2, d};
  }
  const double sigmoid = (y > 0 ? 1 : exponential) / (1 + exponential);
  return {(y > 0 ? y : 0) - y * target + logarithm, sigmoid - target};
}

}  // namespace math

}  // namespace retrace::inline RETRACE_ISA
