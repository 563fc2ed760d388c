// The equations of core/update.hpp for one element, in the element's type.
#pragma once

#include "retrace/core/isa.hpp"
#include "retrace/core/update.hpp"

namespace retrace::inline RETRACE_ISA {

namespace math {

/// The arithmetic of a step on one element, which CPU loops and CUDA kernels share.
template <class T, class Step>
struct Update;

/// Stochastic gradient descent with momentum.
template <class T>
struct Update<T, Momentum> {
  static constexpr int moments = 1;
  T factor;
  bool nesterov;

  constexpr explicit Update(const Momentum& step)
      : factor(static_cast<T>(step.factor)), nesterov(step.nesterov) {}
  template <class Root>
  constexpr void operator()(T& w, T g, T& v, T&, T rate, T decay, Root) const {
    const T slope = g + decay * w;
    v = factor * v + slope;
    w -= rate * (nesterov ? slope + factor * v : v);
  }
};

/// AdamW.
template <class T>
struct Update<T, AdamStep> {
  static constexpr int moments = 2;
  T beta1, beta2, epsilon, unbias1, unbias2;

  constexpr explicit Update(const AdamStep& step)
      : beta1(static_cast<T>(step.beta1)),
        beta2(static_cast<T>(step.beta2)),
        epsilon(static_cast<T>(step.epsilon)),
        unbias1(static_cast<T>(1 / step.correction1)),
        unbias2(static_cast<T>(1 / step.correction2)) {}
  template <class Root>
  constexpr void operator()(T& w, T g, T& m, T& v, T rate, T decay, Root root) const {
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    w -= rate * (unbias1 * m / (root(unbias2 * v) + epsilon) + decay * w);
  }
};

/// Lion.
template <class T>
struct Update<T, LionStep> {
  static constexpr int moments = 1;
  T beta1, beta2;

  constexpr explicit Update(const LionStep& step)
      : beta1(static_cast<T>(step.beta1)), beta2(static_cast<T>(step.beta2)) {}
  template <class Root>
  constexpr void operator()(T& w, T g, T& m, T&, T rate, T decay, Root) const {
    const T c = beta1 * m + (1 - beta1) * g;
    w -= rate * (T(c > 0) - T(c < 0) + decay * w);
    m = beta2 * m + (1 - beta2) * g;
  }
};

}  // namespace math

}  // namespace retrace::inline RETRACE_ISA
