// A scale factor of one element that can neither vanish nor explode.
#pragma once

#include <cmath>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// Returns e(s) = exp(bound·tanh s), which lies between exp(−bound) and exp(bound) for every s.
template <class T>
constexpr T bounded_scale(T s, T bound) {
  return std::exp(bound * std::tanh(s));
}

/// Returns de/ds = e·bound·(1 − tanh² s) for a given e.
template <class T>
constexpr T bounded_scale_slope(T s, T scale, T bound) {
  const T t = std::tanh(s);
  return scale * bound * (1 - t * t);
}

}  // namespace retrace::inline RETRACE_ISA::math
