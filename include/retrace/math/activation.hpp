// Rectifiers of one element or a vector of elements, shared by CPU loops and CUDA kernels.
#pragma once

#include "retrace/core/activation.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// Returns y for a given u. V is T or a vector of T.
template <class V, class T>
constexpr V activate(V u, T slope) {
  return u > 0 ? u : slope * u;
}

/// Returns dy/du, given u or y: both have the same sign.
template <class T>
constexpr T activation_slope(T sign, T slope) {
  return sign > 0 ? T(1) : slope;
}

/// Returns u for a given y: exact if the slope is a power of two, with one rounding otherwise.
template <class V, class T>
constexpr V deactivate(V y, T slope) {
  return y > 0 ? y : y / slope;
}

}  // namespace retrace::inline RETRACE_ISA::math
