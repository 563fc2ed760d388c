// The exponential function of a vector register.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <utility>

#include "retrace/cpu/simd.hpp"

namespace retrace::inline RETRACE_ISA::cpu {

/// The constants of exp(x) = 2^n exp(r) for elements of type T: the bounds of x, ln 2 in two parts,
/// and the coefficients of the polynomial in r.
template <class T>
struct ExponentialTerms;

/// The float polynomial is that of Cephes' expf.
template <>
struct ExponentialTerms<float> {
  using Bits = std::int32_t;
  static constexpr int mantissa = 23;
  static constexpr Bits one = 0x3F800000;
  static constexpr float magic = 12582912.0f, lowest = -87.0f, highest = 88.0f,
                         log2_of_e = 1.44269504088896341f, ln2_high = 0.693359375f,
                         ln2_low = -2.12194440e-4f;
  static constexpr float powers[]{1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                  4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
};

/// The double polynomial is the Taylor series.
template <>
struct ExponentialTerms<double> {
  using Bits = std::int64_t;
  static constexpr int mantissa = 52;
  static constexpr Bits one = 0x3FF0000000000000;
  static constexpr double magic = 6755399441055744.0, lowest = -708.0, highest = 709.0,
                          log2_of_e = 1.4426950408889634074, ln2_high = 6.93145751953125e-1,
                          ln2_low = 1.42860682030941723212e-6;
  static constexpr double powers[]{1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
                                   1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
                                   1.0 / 120,        1.0 / 24,        1.0 / 6,        0.5};
};

/// The factors of exp(x) = 2ⁿ·exp(r), x = n·ln 2 + r, |r| ≤ ln 2/2: power = 2ⁿ and less_one =
/// exp(r) − 1.
template <class V>
struct ExponentialParts {
  V power, less_one;
};

/// @pre x lies between Terms::lowest and Terms::highest, or is NaN
template <class T, class V>
[[gnu::always_inline]] inline ExponentialParts<V> exponential_parts(V x) {
  using Terms = ExponentialTerms<T>;
  constexpr int width = static_cast<int>(sizeof(V) / sizeof(T));
  using Integers = Block<typename Terms::Bits, width>;
  // The sum's last bits are the nearest integer to x/ln 2.
  const V shifted = x * Terms::log2_of_e + Terms::magic, number = shifted - Terms::magic;
  const V rest = x - number * Terms::ln2_high - number * Terms::ln2_low;
  V sum = V{} + Terms::powers[0];
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((sum = sum * rest + Terms::powers[I + 1]), ...);
  }
  (std::make_index_sequence<std::size(Terms::powers) - 1>());
  Integers bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << Terms::mantissa) + Terms::one;
  V power;
  std::memcpy(&power, &bits, sizeof power);
  return {power, sum * rest * rest + rest};
}

/// exp(x) for x below the end of the range, to about one unit in the last place; 0 below the range
/// of normal numbers, NaN for NaN. V is a vector of T.
template <class T, class V>
[[gnu::always_inline]] inline V exponential_below(V x) {
  const V lowest = V{} + ExponentialTerms<T>::lowest;
  const auto [power, less_one] = exponential_parts<T>(x < lowest ? lowest : x);
  return x < lowest ? V{} : (less_one + T(1)) * power;
}

/// exp(x) − 1 for x ≤ 0, to about one unit in the last place also near 0; NaN for NaN.
template <class T, class V>
V exponential_less_one(V x) {
  const V lowest = V{} + ExponentialTerms<T>::lowest;
  const auto [power, less_one] = exponential_parts<T>(x < lowest ? lowest : x);
  return power * less_one + (power - T(1));
}

/// The same for any x, with the largest power instead of infinity.
template <class T, class V>
[[gnu::always_inline]] inline V exponential(V x) {
  const V highest = V{} + ExponentialTerms<T>::highest;
  return exponential_below<T>(x > highest ? highest : x);
}

/// 1/(1 + exp(−x)).
template <class T, class V>
[[gnu::always_inline]] inline V sigmoid(V x) {
  return T(1) / (T(1) + exponential<T>(-x));
}

/// Calls body(channel, count) for full vectors of a row, then once for the rest.
template <class T, class Body>
[[gnu::always_inline]] inline void for_each_vector(Index channels, Body body) {
  constexpr int W = lanes<T>;
  Index c = 0;
  for (; c + W <= channels; c += W) body(c, Index{W});
  if (c < channels) body(c, channels - c);
}

}  // namespace retrace::inline RETRACE_ISA::cpu
