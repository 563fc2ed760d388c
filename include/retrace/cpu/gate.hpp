// Gelu, Silu and gated units on the host.
#pragma once

#include <type_traits>

#include "retrace/core/gate.hpp"
#include "retrace/cpu/elementwise.hpp"
#include "retrace/cpu/exponential.hpp"

namespace retrace::inline RETRACE_ISA {

namespace cpu {

/// act(x) = x·σ(v(x)) of a vector V of T.
template <class T, Gate gate>
struct GateOf {
  static constexpr T slope = T(1.5957691216057307117), cube = T(0.044715);  // 2√(2/π)

  template <class V>
  [[gnu::always_inline]] static V share(V x) {
    if constexpr (gate == Gate::gelu)
      return sigmoid<T>(slope * (x + cube * x * x * x));
    else
      return sigmoid<T>(x);
  }
  /// act′ = s + x·s·(1 − s)·v′ with s = σ(v).
  template <class V>
  [[gnu::always_inline]] static V derivative(V x, V s) {
    if constexpr (gate == Gate::gelu)
      return s + x * s * (T(1) - s) * (slope * (T(1) + T(3) * cube * x * x));
    else
      return s + x * s * (T(1) - s);
  }
};

/// Calls `body(GateOf<T, G>{})` with G = gate.
template <class T, class Body>
void with_gate(Gate gate, Body body) {
  if (gate == Gate::gelu)
    body(GateOf<T, Gate::gelu>{});
  else
    body(GateOf<T, Gate::silu>{});
}

}  // namespace cpu

/// Computes y =, += or −= x·σ(v(x)). y may be x.
template <class T>
void apply_gate(View<T, Cpu> y, ConstView<T, Cpu> x, Gate gate, Store how = Store::set) {
  const auto timed = y.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  cpu::with_gate<T>(gate, [&]<class Act>(Act) {
    cpu::for_each_pixel(
        y,
        [=, channels = y.shape().c](T* to, const T* from) {
          cpu::for_each_vector<T>(channels, [=](Index c, Index count) {
            const auto u = cpu::load_channels<W>(from + c, count);
            cpu::store_channels<W>(to + c, u * Act::share(u), count, how);
          });
        },
        x);
  });
}

/// Computes dx =, += or −= dy·act′(x). dx may be dy.
template <class T>
void apply_gate_backward(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy, Gate gate,
                         Store how = Store::set) {
  const auto timed = dx.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  cpu::with_gate<T>(gate, [&]<class Act>(Act) {
    cpu::for_each_pixel(
        dx,
        [=, channels = dx.shape().c](T* to, const T* from, const T* g) {
          cpu::for_each_vector<T>(channels, [=](Index c, Index count) {
            const auto u = cpu::load_channels<W>(from + c, count);
            const auto slope = Act::derivative(u, Act::share(u));
            cpu::store_channels<W>(to + c, slope * cpu::load_channels<W>(g + c, count), count, how);
          });
        },
        x, dy);
  });
}

/// Computes y =, += or −= act(x₁)·x₂ for the channel halves of x.
template <class T>
void apply_gated_unit(View<T, Cpu> y, ConstView<T, Cpu> x, Gate gate, Store how = Store::set) {
  const auto timed = y.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  cpu::with_gate<T>(gate, [&]<class Act>(Act) {
    cpu::for_each_pixel(
        y,
        [=, channels = y.shape().c](T* to, const T* from) {
          cpu::for_each_vector<T>(channels, [=](Index c, Index count) {
            const auto u = cpu::load_channels<W>(from + c, count),
                       factor = cpu::load_channels<W>(from + channels + c, count);
            cpu::store_channels<W>(to + c, u * Act::share(u) * factor, count, how);
          });
        },
        x);
  });
}

/// Computes dx₁ = dy·x₂·act′(x₁) and dx₂ = dy·act(x₁). dx may be x.
template <class T>
void apply_gated_unit_backward(View<T, Cpu> dx, ConstView<T, Cpu> x, ConstView<T, Cpu> dy,
                               Gate gate, Store how = Store::set) {
  const auto timed = dx.device().timed(Operation::normalisation);
  constexpr int W = cpu::lanes<T>;
  cpu::with_gate<T>(gate, [&]<class Act>(Act) {
    cpu::for_each_pixel(
        dx,
        [=, channels = dy.shape().c](T* to, const T* from, const T* g) {
          cpu::for_each_vector<T>(channels, [=](Index c, Index count) {
            const auto u = cpu::load_channels<W>(from + c, count),
                       factor = cpu::load_channels<W>(from + channels + c, count),
                       of_y = cpu::load_channels<W>(g + c, count), share = Act::share(u);
            cpu::store_channels<W>(to + c, of_y * factor * Act::derivative(u, share), count, how);
            cpu::store_channels<W>(to + channels + c, of_y * u * share, count, how);
          });
        },
        x, dy);
  });
}

}  // namespace retrace::inline RETRACE_ISA
