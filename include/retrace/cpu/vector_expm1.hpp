// exp(x) − 1 of a vector of elements that are not positive.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

namespace detail {

/// exp(x) − 1 = 2ⁿ·(exp(r) − 1) + (2ⁿ − 1) with n = round(x/ln 2) and |r| ≤ ln 2 / 2. Adding
/// `magic` rounds to an integer, which is then in the low bits of the sum. ln 2 = high + low.
template <class T>
struct Expm1Constants;
template <>
struct Expm1Constants<float> {
  using Bits = std::int32_t;
  static constexpr float magic = 12582912.0f, lowest = -87.0f;
  static constexpr float high = 0.693359375f, low = -2.12194440e-4f;
  static constexpr int degree = 7, mantissa = 23, bias = 127;
};
template <>
struct Expm1Constants<double> {
  using Bits = std::int64_t;
  static constexpr double magic = 6755399441055744.0, lowest = -708.0;
  static constexpr double high = 6.93147180369123816490e-01, low = 1.90821492927058770002e-10;
  static constexpr int degree = 13, mantissa = 52, bias = 1023;
};

}  // namespace detail

/// Computes exp(x) − 1 for x ≤ 0 with an error of about one rounding, also near 0. NaN stays NaN.
template <class T, int W>
Block<T, W> vector_expm1(Block<T, W> x) {
  using C = detail::Expm1Constants<T>;
  using Bits = Block<typename C::Bits, W>;
  constexpr T one_over_ln2 = T(1.44269504088896340736);
  const Block<T, W> zero{};
  const Block<T, W> lowest = zero + C::lowest;
  const Block<T, W> y = x < lowest ? lowest : x;
  const Block<T, W> rounded = y * one_over_ln2 + C::magic, n = rounded - C::magic;
  const Block<T, W> r = (y - n * C::high) - n * C::low;
  Block<T, W> p = zero + T(1);  // Taylor: (exp(r) − 1)/r
  for (int k = C::degree; k >= 2; --k) p = p * (r * (T(1) / T(k))) + T(1);
  p = p * r;
  Bits bits;
  std::memcpy(&bits, &rounded, sizeof bits);
  bits = (bits + C::bias) << C::mantissa;
  Block<T, W> power;  // 2ⁿ
  std::memcpy(&power, &bits, sizeof power);
  return power * p + (power - T(1));
}

}  // namespace retrace::inline RETRACE_ISA::cpu
