// Losses that compare values with targets, on the host.
#pragma once

#include <algorithm>
#include <cmath>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/math/pointwise_loss.hpp"

namespace retrace::inline RETRACE_ISA {

/// Computes dy = ∂L/∂y / divisor for every element and returns Σ L, summed in a fixed order.
/// Returns 0 on a dry device.
/// @throws ShapeError unless all shapes are equal.
template <class T>
double pointwise_loss(View<T, Cpu> dy, ConstView<T, Cpu> y, ConstView<T, Cpu> target,
                      const PointwiseTerms& terms) {
  constexpr Index block = 64;  // pixels that are summed sequentially
  require_same_shape("loss", "y", y.shape(), "the target", target.shape());
  require_same_shape("loss", "y", y.shape(), "dy", dy.shape());
  const Index pixels = y.shape().pixels(), channels = y.shape().c;
  const Index blocks = (pixels + block - 1) / block;
  Tensor<double, Cpu> sums(y.device(), per_channel(blocks), Use::workspace);
  double* sum_of = sums.data();
  y.device().parallel(blocks, sweep_work<T>(y.shape(), 3), [=](Index first, Index last, int) {
    for (Index b = first; b < last; ++b) {
      double sum = 0;
      for (Index p = b * block; p < std::min(pixels, (b + 1) * block); ++p)
        for (Index c = 0; c < channels; ++c) {
          const auto value = static_cast<double>(y.pixel(p)[c]);
          const bool logistic = terms.loss == PointwiseLoss::logistic;
          const double exponential = logistic ? std::exp(-std::abs(value)) : 0;
          const auto at =
              math::pointwise_loss(terms, value, static_cast<double>(target.pixel(p)[c]),
                                   exponential, std::log1p(exponential));
          sum += at.loss;
          dy.pixel(p)[c] = static_cast<T>(at.slope / terms.divisor);
        }
      sum_of[b] = sum;
    }
  });
  double total = 0;
  if (!y.device().dry())
    for (Index b = 0; b < blocks; ++b) total += sum_of[b];
  return total;
}

}  // namespace retrace::inline RETRACE_ISA
