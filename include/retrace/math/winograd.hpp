// The one-dimensional transforms of Winograd's minimal filtering F(4,3).
#pragma once

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// Computes four outputs y of a filter g of three taps over six inputs d, with six products:
///
///     y = Aᵀ[(G·g) ⊙ (Bᵀ·d)]                      (Lavin & Gray 2016, eq. 5)
///
/// The polynomials are interpolated at 0, ±a, ±b and ∞. Points of 5/8 and 3/2 have a third of the
/// error of the usual 1 and 2. V is a scalar or a vector of T. Each function can be applied along
/// both axes of a tile, which gives F(4x4,3x3): 36 products instead of 144.
template <class T>
struct Winograd {
  static constexpr T a = T(0.625), b = T(1.5);
  static constexpr T a2 = a * a, b2 = b * b, a3 = a2 * a, b3 = b2 * b;
  static constexpr T product = a2 * b2, sum = a2 + b2;
  static constexpr T of_a = 1 / (2 * a2 * (a2 - b2)), of_b = 1 / (2 * b2 * (b2 - a2));

  /// t = Bᵀ·d.
  template <class V>
  [[gnu::always_inline]] static void input(const V (&d)[6], V (&t)[6]) {
    const V even_a = d[4] - b2 * d[2], odd_a = d[3] - b2 * d[1];
    const V even_b = d[4] - a2 * d[2], odd_b = d[3] - a2 * d[1];
    t[0] = product * d[0] - sum * d[2] + d[4];
    t[1] = even_a + a * odd_a;
    t[2] = even_a - a * odd_a;
    t[3] = even_b + b * odd_b;
    t[4] = even_b - b * odd_b;
    t[5] = product * d[1] - sum * d[3] + d[5];
  }

  /// u = G·g.
  template <class V>
  [[gnu::always_inline]] static void filter(const V (&g)[3], V (&u)[6]) {
    const V even_a = of_a * (g[0] + a2 * g[2]), odd_a = of_a * a * g[1];
    const V even_b = of_b * (g[0] + b2 * g[2]), odd_b = of_b * b * g[1];
    u[0] = 1 / product * g[0];
    u[1] = even_a + odd_a;
    u[2] = even_a - odd_a;
    u[3] = even_b + odd_b;
    u[4] = even_b - odd_b;
    u[5] = g[2];
  }

  /// y = Aᵀ·m.
  template <class V>
  [[gnu::always_inline]] static void output(const V (&m)[6], V (&y)[4]) {
    const V even_a = m[1] + m[2], odd_a = m[1] - m[2];
    const V even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = a * odd_a + b * odd_b;
    y[2] = a2 * even_a + b2 * even_b;
    y[3] = a3 * odd_a + b3 * odd_b + m[5];
  }

  /// dm = A·dy, the transpose of `output`.
  template <class V>
  [[gnu::always_inline]] static void output_gradient(const V (&dy)[4], V (&dm)[6]) {
    const V even_a = dy[0] + a2 * dy[2], odd_a = a * dy[1] + a3 * dy[3];
    const V even_b = dy[0] + b2 * dy[2], odd_b = b * dy[1] + b3 * dy[3];
    dm[0] = dy[0];
    dm[1] = even_a + odd_a;
    dm[2] = even_a - odd_a;
    dm[3] = even_b + odd_b;
    dm[4] = even_b - odd_b;
    dm[5] = dy[3];
  }

  /// dg = Gᵀ·du, the transpose of `filter`.
  template <class V>
  [[gnu::always_inline]] static void filter_gradient(const V (&du)[6], V (&dg)[3]) {
    const V even_a = of_a * (du[1] + du[2]), even_b = of_b * (du[3] + du[4]);
    dg[0] = 1 / product * du[0] + even_a + even_b;
    dg[1] = of_a * a * (du[1] - du[2]) + of_b * b * (du[3] - du[4]);
    dg[2] = a2 * even_a + b2 * even_b + du[5];
  }
};

}  // namespace retrace::inline RETRACE_ISA::math
