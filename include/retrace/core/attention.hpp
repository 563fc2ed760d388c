// Which keys a query attends to.
#pragma once

#include <cstdint>

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// Terms of attention between T queries and S ≥ T keys of a sequence. Query i stands at position
/// S − T + i, key j at position j.
template <Device D>
struct AttentionTerms {
  Index heads = 1, key_heads = 1;  ///< heads/key_heads query heads share a head of keys
  bool causal = false;             ///< no query attends to a later key
  Index window = 0;                ///< unless 0, a query attends to keys less than this far away
  double scale = 1;                ///< of the products
  /// [N,1,S,1] unless null: the keys whose number is 0 do not exist.
  const View<const std::uint8_t, D>* keys = nullptr;
};

}  // namespace retrace::inline RETRACE_ISA
