// Value and derivatives of smooth activations of one element or a vector of elements.
#pragma once

#include "retrace/core/smooth_activation.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// f(x), f′(x) and f″(x).
template <class V>
struct Derivatives {
  V value, first, second;
};

/// Returns the derivatives of `activation` at x. expm1(x) returns exp(x) − 1 of an element or of
/// each element of a vector, and is finite for x ≤ 0.
template <SmoothActivation activation, class V, class Expm1>
V smooth_value(V x, Expm1 expm1) {
  const V zero{};
  const V one = zero + 1;
  if constexpr (activation == SmoothActivation::elu) {
    const V negative = expm1(x > zero ? zero : x);
    return x > zero ? x : negative;
  } else if constexpr (activation == SmoothActivation::tanh) {
    // With e = exp(−2|x|) − 1:  tanh|x| = −e/(2 + e), without cancellation near 0.
    const V size = x > zero ? x : -x;
    const V e = expm1(-2 * size);
    const V positive = -e / (2 * one + e);
    return x > zero ? positive : -positive;
  } else {
    const V size = x > zero ? x : -x;
    const V e = expm1(-size) + one;  // exp(−|x|)
    const V sigmoid = (x > zero ? one : e) / (one + e);
    return x * sigmoid / (11 * one / 10);
  }
}

template <SmoothActivation activation, class V, class Expm1>
Derivatives<V> smooth_derivatives(V x, Expm1 expm1) {
  const V zero{};
  const V one = zero + 1;
  if constexpr (activation == SmoothActivation::elu) {
    const V negative = expm1(x > zero ? zero : x);
    return {x > zero ? x : negative, negative + one, x > zero ? zero : negative + one};
  } else if constexpr (activation == SmoothActivation::tanh) {
    const V value = smooth_value<activation>(x, expm1);
    const V first = one - value * value;
    return {value, first, -2 * value * first};
  } else {
    const V size = x > zero ? x : -x;
    const V e = expm1(-size) + one;
    const V sigmoid = (x > zero ? one : e) / (one + e);
    const V slope = e / ((one + e) * (one + e));  // σ′, which is even
    const V share = 10 * one / 11;
    return {share * x * sigmoid, share * (sigmoid + x * slope),
            share * slope * (2 * one + x * (one - 2 * sigmoid))};
  }
}

}  // namespace retrace::inline RETRACE_ISA::math
