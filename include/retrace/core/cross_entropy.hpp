// The settings of a cross-entropy loss.
#pragma once

#include <cstdint>
#include <limits>

namespace retrace {

/// For the label l of a row of K logits, class weights w (1 by default) and smoothing ε:
///
///     q_k = w_k·(ε/K + (k = l)·(1 − ε)),   L = −Σ_k q_k·log softmax(x)_k
///     ∂L/∂x_k = (softmax(x)_k·Σ_j q_j − q_k) / divisor
///
/// A row whose label is `ignore` has neither a loss nor a gradient.
///
/// Plain data, identical for every instruction set, so compiled kernels can take it.
struct CrossEntropyTerms {
  static constexpr std::int32_t nothing = std::numeric_limits<std::int32_t>::min();

  double smoothing = 0;           ///< ε
  std::int32_t ignore = nothing;  ///< the label of rows to ignore
  double divisor = 1;             ///< divides the gradients
};

}  // namespace retrace
