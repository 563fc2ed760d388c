// Rectifiers on one element: the arithmetic that CPU loops and CUDA kernels share.
#pragma once

#include "retrace/core/activation.hpp"

namespace retrace::inline RETRACE_ISA::math {

template <class T>
constexpr T activate(T u, T slope) {
  return u > 0 ? u : slope * u;
}

/// dy/du, told by the sign that u and y share.
template <class T>
constexpr T activation_slope(T sign, T slope) {
  return sign > 0 ? T(1) : slope;
}

/// u from y. Bit-exact when the slope is a power of two, one rounding otherwise.
template <class T>
constexpr T deactivate(T y, T slope) {
  return y > 0 ? y : y / slope;
}

}  // namespace retrace::inline RETRACE_ISA::math
