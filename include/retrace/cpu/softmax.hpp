// Softmax cross-entropy on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>

#include "retrace/core/cross_entropy.hpp"
#include "retrace/core/loss_sum.hpp"
#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// Writes the gradient of core/cross_entropy.hpp for the rows of x, one per pixel, into dx, which
/// may be x. Returns the sum of the rows' losses, in their order, or 0 on a dry device.
/// @param weights  one per class, or empty
/// @pre every label is a class or `ignore`.
template <class T>
LossSum softmax_cross_entropy(View<T, Cpu> dx, ConstView<T, Cpu> x,
                              std::span<const std::int32_t> labels, std::span<const double> weights,
                              const CrossEntropyTerms& terms) {
  const Index rows = x.shape().pixels(), classes = x.shape().c;
  Tensor<double, Cpu> losses(x.device(), per_channel(rows), Use::workspace);
  Tensor<std::uint8_t, Cpu> hits(x.device(), per_channel(rows), Use::workspace);
  const double of_each = terms.smoothing / static_cast<double>(classes), more = 1 - terms.smoothing;
  double of_classes = 0;
  for (double weight : weights) of_classes += weight;
  const auto weight_of = [=](Index c) {
    return weights.empty() ? 1.0 : weights[static_cast<std::size_t>(c)];
  };
  double* loss_of = losses.data();
  std::uint8_t* hit_of = hits.data();
  x.device().parallel(rows, sweep_work<T>(x.shape(), 2), [=](Index first, Index last, int) {
    for (Index row = first; row < last; ++row) {
      const T* logits = x.pixel(row);
      T* slopes = dx.pixel(row);
      const Index label = labels[static_cast<std::size_t>(row)];
      if (label == terms.ignore) {
        std::fill_n(slopes, classes, T(0));
        loss_of[row] = hit_of[row] = 0;
        continue;
      }
      const Index where = std::max_element(logits, logits + classes) - logits;
      const T largest = logits[where];
      double sum = 0, of_all = 0;
      for (Index c = 0; c < classes; ++c) {
        const auto logit = static_cast<double>(logits[c] - largest);
        sum += std::exp(logit);
        of_all += weight_of(c) * logit;
      }
      const double of_label = weight_of(label) * static_cast<double>(logits[label] - largest);
      const double all =
          weights.empty() ? 1 : more * weight_of(label) + of_each * of_classes;  // Σ q
      loss_of[row] = all * std::log(sum) -
                     (terms.smoothing > 0 ? more * of_label + of_each * of_all : of_label);
      hit_of[row] = where == label;
      for (Index c = 0; c < classes; ++c) {
        const double probability = std::exp(static_cast<double>(logits[c] - largest)) / sum;
        const double wanted = weight_of(c) * (of_each + (c == label ? more : 0));
        slopes[c] = static_cast<T>((all * probability - wanted) / terms.divisor);
      }
    }
  });
  LossSum total;
  if (x.device().dry()) return total;
  for (Index row = 0; row < rows; ++row) {
    total.loss += loss_of[row];
    total.correct += hit_of[row];
  }
  return total;
}

}  // namespace retrace::inline RETRACE_ISA
