// Softmax cross-entropy on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "retrace/core/loss_sum.hpp"
#include "retrace/cpu/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// dx = (softmax(x) − q)/images for the rows of x, [N,1,1,K], and Σ −q·log softmax(x), summed in
/// order: q is smoothing/K, and 1 − smoothing more for the label.
/// @pre every label is less than K.
template <class T>
LossSum softmax_cross_entropy(View<T, Cpu> dx, ConstView<T, Cpu> x,
                              std::span<const std::uint8_t> labels, Index images,
                              double smoothing) {
  const Index rows = x.shape().n, classes = x.shape().c;
  const double of_each = smoothing / static_cast<double>(classes), more = 1 - smoothing;
  std::vector<double> losses(labels.size(), 0.0);
  std::vector<std::uint8_t> hits(labels.size(), 0);
  dx.device().parallel(rows, pass<T>(x.shape(), 2), [&](Index first, Index last, int) {
    for (Index row = first; row < last; ++row) {
      const T* logits = x.pixel(row);
      const auto image = static_cast<std::size_t>(row);
      const Index label = labels[image];
      const T* largest = std::max_element(logits, logits + classes);
      double sum = 0, of_all = 0;
      for (Index c = 0; c < classes; ++c) {
        const auto logit = static_cast<double>(logits[c] - *largest);
        sum += std::exp(logit);
        of_all += logit;
      }
      const auto of_label = static_cast<double>(logits[label] - *largest);
      losses[image] =
          std::log(sum) - (smoothing > 0 ? more * of_label + of_each * of_all : of_label);
      hits[image] = largest == logits + label;
      for (Index c = 0; c < classes; ++c) {
        const double probability = std::exp(static_cast<double>(logits[c] - *largest)) / sum;
        dx.pixel(row)[c] = static_cast<T>((probability - (of_each + (c == label ? more : 0))) /
                                          static_cast<double>(images));
      }
    }
  });
  LossSum total;
  for (std::size_t image = 0; image < labels.size(); ++image) {
    total.loss += losses[image];
    total.correct += hits[image];
  }
  return total;
}

}  // namespace retrace::inline RETRACE_ISA
