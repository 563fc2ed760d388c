// The coefficients of explicit Runge-Kutta methods.
#pragma once

#include <array>
#include <cstddef>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// x(t + h) = x + h·Σ b_i·k_i with k_i = f(t + c_i·h, x + h·Σ_{j<i} a_ij·k_j).
///
/// A method with an error estimate has one stage more, at (t + h, x(t + h)), for that estimate
/// alone: error = h·Σ e_i·k_i.
struct Tableau {
  static constexpr std::size_t most = 6;

  std::size_t stages;
  std::array<std::array<double, most>, most> a;
  std::array<double, most> b, c;
  std::array<double, most + 1> e = {};
  /// The error estimate decreases as h to this power; 0 without an estimate.
  double error_order = 0;

  constexpr bool estimates() const { return error_order > 0; }
};

inline constexpr Tableau euler_tableau{1, {}, {1}, {0}};
inline constexpr Tableau midpoint_tableau{2, {{{}, {0.5}}}, {0, 1}, {0, 0.5}};
inline constexpr Tableau rk4_tableau{
    4, {{{}, {0.5}, {0, 0.5}, {0, 0, 1}}}, {1. / 6, 1. / 3, 1. / 3, 1. / 6}, {0, 0.5, 0.5, 1}};
/// Bogacki and Shampine 1989: order 3, estimate of order 2.
inline constexpr Tableau bosh3_tableau{
    3,
    {{{}, {0.5}, {0, 0.75}}},
    {2. / 9, 1. / 3, 4. / 9},
    {0, 0.5, 0.75},
    {2. / 9 - 7. / 24, 1. / 3 - 1. / 4, 4. / 9 - 1. / 3, -1. / 8},
    3};
/// Dormand and Prince 1980: order 5, estimate of order 4.
inline constexpr Tableau dopri5_tableau{
    6,
    {{{},
      {1. / 5},
      {3. / 40, 9. / 40},
      {44. / 45, -56. / 15, 32. / 9},
      {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
      {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656}}},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
    {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1},
    {35. / 384 - 5179. / 57600, 0, 500. / 1113 - 7571. / 16695, 125. / 192 - 393. / 640,
     -2187. / 6784 + 92097. / 339200, 11. / 84 - 187. / 2100, -1. / 40},
    5};

}  // namespace retrace::inline RETRACE_ISA
