// What a cross-entropy is computed with, beside logits and labels.
#pragma once

#include <cstdint>
#include <limits>

namespace retrace {

/// For the label l of a row of K logits, class weights w (1 where there are none) and smoothing ε:
///
///     q_k = w_k·(ε/K + (k = l)·(1 − ε)),   L = −Σ_k q_k·log softmax(x)_k
///     ∂L/∂x_k = (softmax(x)_k·Σ_j q_j − q_k) / divisor;   a row whose label is `ignore` has none
///
/// Without functions, it is the same for every instruction set, and compiled kernels take it.
struct CrossEntropyTerms {
  static constexpr std::int32_t nothing = std::numeric_limits<std::int32_t>::min();

  double smoothing = 0;           ///< ε
  std::int32_t ignore = nothing;  ///< the label of rows that do not count
  double divisor = 1;             ///< of gradients
};

}  // namespace retrace
