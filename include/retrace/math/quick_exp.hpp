// exp and tanh without branches, so that compilers make vector loops of them.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// Returns exp(x) within 3 roundings for |x| <= 87; beyond, exp of the nearest such x. NaN stays.
inline float quick_exp(float x) {
  constexpr float shift = 12582912.f;  // 1.5·2^23: adding it rounds to an integer
  const float low = x < -87.f ? -87.f : x, in = low > 87.f ? 87.f : low;
  const float shifted = in * 1.44269504f + shift, power = shifted - shift;
  const float r = (in - power * 0.693359375f) + power * 2.12194440e-4f;  // ln 2 in two parts
  float p = 1.9875691500e-4f;                                            // Cephes expf
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const auto scaled = std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) +
                                           (std::bit_cast<std::uint32_t>(shifted) << 23));
  return x == x ? scaled : x;
}
inline double quick_exp(double x) { return std::exp(x); }

/// Returns tanh x with an absolute error of some 1e-7.
inline float quick_tanh(float x) {
  const float e = quick_exp(-2 * x);
  return (1 - e) / (1 + e);
}
inline double quick_tanh(double x) { return std::tanh(x); }

}  // namespace retrace::inline RETRACE_ISA::math
