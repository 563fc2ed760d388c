// Softmax cross-entropy with one loss per row, on the host.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/exponential.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// Returns the largest of n logits.
template <class T>
T largest_logit(const T* logits, Index n) {
  return *std::max_element(logits, logits + n);
}

/// Calls each(probability·Σ, index) in blocks and returns Σ = Σ_k exp(logit_k − largest). The sum
/// is taken in a fixed order.
template <class T>
double exp_sum(const T* logits, Index n, T largest, T* exps) {
  constexpr int w = lanes<T>;
  double sum = 0;
  Block<T, w> sums{};
  Index k = 0;
  for (; k + w <= n; k += w) {
    const Block<T, w> e = exponential<T>(load<w>(logits + k) - largest);
    if (exps) save<w>(exps + k, e);
    sums += e;
  }
  for (int lane = 0; lane < w; ++lane) sum += static_cast<double>(sums[lane]);
  for (; k < n; ++k) {
    const T e = std::exp(logits[k] - largest);
    if (exps) exps[k] = e;
    sum += static_cast<double>(e);
  }
  return sum;
}

}  // namespace cpu

/// Computes losses[row] = −log softmax(logits[row])[label], or 0 for the label `ignore`.
/// @pre every label is a class or `ignore`; losses has one channel.
template <class T>
void token_losses(View<T, Cpu> losses, ConstView<T, Cpu> logits,
                  ConstView<std::int32_t, Cpu> labels, std::int32_t ignore) {
  const Index classes = logits.shape().c;
  losses.device().parallel(
      losses.shape().pixels(), sweep_work<T>(logits.shape(), 4), [=](Index first, Index last, int) {
        for (Index row = first; row < last; ++row) {
          const std::int32_t label = *labels.pixel(row);
          const T* x = logits.pixel(row);
          if (label == ignore) {
            *losses.pixel(row) = T(0);
            continue;
          }
          const T largest = cpu::largest_logit(x, classes);
          const double sum = cpu::exp_sum<T>(x, classes, largest, nullptr);
          *losses.pixel(row) = static_cast<T>(std::log(sum) + static_cast<double>(largest) -
                                              static_cast<double>(x[label]));
        }
      });
}

/// Replaces the logits of every row by the gradient of its loss times `slopes[row]`, which has one
/// channel; by 0 for the label `ignore`.
template <class T>
void token_loss_gradient(View<T, Cpu> logits, ConstView<std::int32_t, Cpu> labels,
                         ConstView<T, Cpu> slopes, std::int32_t ignore) {
  const Index classes = logits.shape().c;
  logits.device().parallel(
      logits.shape().pixels(), sweep_work<T>(logits.shape(), 6), [=](Index first, Index last, int) {
        for (Index row = first; row < last; ++row) {
          const std::int32_t label = *labels.pixel(row);
          T* x = logits.pixel(row);
          if (label == ignore) {
            std::fill_n(x, classes, T(0));
            continue;
          }
          const double sum = cpu::exp_sum<T>(x, classes, cpu::largest_logit(x, classes), x);
          const T slope = *slopes.pixel(row), factor = static_cast<T>(slope / sum);
          for (Index k = 0; k < classes; ++k) x[k] *= factor;
          x[label] -= slope;
        }
      });
}

}  // namespace retrace::inline RETRACE_ISA
