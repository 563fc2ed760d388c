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

/// dx = (softmax(x) − onehot(label))/images for the rows of x, [N,1,1,K], summed in order.
/// @pre every label is less than K.
template <class T>
LossSum softmax_cross_entropy(View<T, Cpu> dx, ConstView<T, Cpu> x,
                              std::span<const std::uint8_t> labels, Index images) {
  const Index rows = x.shape().n, classes = x.shape().c;
  std::vector<double> losses(labels.size(), 0.0);
  std::vector<std::uint8_t> hits(labels.size(), 0);
  dx.device().parallel(rows, pass<T>(x.shape(), 2), [&](Index first, Index last, int) {
    for (Index row = first; row < last; ++row) {
      const T* logits = x.pixel(row);
      const auto image = static_cast<std::size_t>(row);
      const Index label = labels[image];
      const T* largest = std::max_element(logits, logits + classes);
      double sum = 0;
      for (Index c = 0; c < classes; ++c)
        sum += std::exp(static_cast<double>(logits[c] - *largest));
      losses[image] = std::log(sum) - static_cast<double>(logits[label] - *largest);
      hits[image] = largest == logits + label;
      for (Index c = 0; c < classes; ++c) {
        const double probability = std::exp(static_cast<double>(logits[c] - *largest)) / sum;
        dx.pixel(row)[c] =
            static_cast<T>((probability - (c == label ? 1 : 0)) / static_cast<double>(images));
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
