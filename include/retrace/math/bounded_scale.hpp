// A scale that can neither vanish nor explode, on one element.
#pragma once

#include <cmath>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// e(s) = exp(bound·tanh s): between exp(−bound) and exp(bound) for every s.
template <class T>
constexpr T bounded_scale(T s, T bound) {
  return std::exp(bound * std::tanh(s));
}

/// de/ds = e·bound·(1 − tanh² s), given e.
template <class T>
constexpr T bounded_scale_slope(T s, T scale, T bound) {
  const T t = std::tanh(s);
  return scale * bound * (1 - t * t);
}

}  // namespace retrace::inline RETRACE_ISA::math
