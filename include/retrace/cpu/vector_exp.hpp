// The exponential function of a vector.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

namespace detail {

/// exp(x) = 2ⁿ·exp(r) with n = round(x/ln 2) and |r| ≤ ln 2 / 2. `magic` rounds to an integer,
/// which then is in the low bits of the sum; ln 2 = ln2_high + ln2_low; the Taylor polynomial of
/// exp(r) has the degree whose remainder is below half a rounding.
template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  using Bits = std::int32_t;
  static constexpr float magic = 12582912.0f, lowest = -87.0f, highest = 88.0f;
  static constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  static constexpr int degree = 7, mantissa = 23;
};
template <>
struct ExpConstants<double> {
  using Bits = std::int64_t;
  static constexpr double magic = 6755399441055744.0, lowest = -708.0, highest = 709.0;
  static constexpr double ln2_high = 6.93147180369123816490e-01,
                          ln2_low = 1.90821492927058770002e-10;
  static constexpr int degree = 13, mantissa = 52;
};

}  // namespace detail

/// Computes exp(x) of each element with an error of about one rounding; 0 below −87 (float) or −708
/// (double), also for −∞. Values above 88 or 709 are taken as that.
template <int W, class T>
Block<T, W> vector_exp(Block<T, W> x) {
  using C = detail::ExpConstants<T>;
  using Bits = Block<typename C::Bits, W>;
  constexpr T one_over_ln2 = T(1.44269504088896340736);
  const Block<T, W> zero{};
  const Block<T, W> low = zero + C::lowest, high = zero + C::highest;
  Block<T, W> y = x < low ? low : x;
  y = y > high ? high : y;
  const Block<T, W> rounded = y * one_over_ln2 + C::magic, n = rounded - C::magic;
  const Block<T, W> r = (y - n * C::ln2_high) - n * C::ln2_low;
  Block<T, W> p = zero + T(1);
  for (int k = C::degree; k >= 1; --k) p = p * (r * (T(1) / T(k))) + T(1);
  Bits bits, exponent;
  std::memcpy(&bits, &p, sizeof bits);
  std::memcpy(&exponent, &rounded, sizeof exponent);
  bits += exponent << C::mantissa;
  std::memcpy(&p, &bits, sizeof bits);
  return x < low ? zero : p;
}

}  // namespace retrace::inline RETRACE_ISA::cpu
