// bfloat16: the upper half of a float, as a storage type for states.
#pragma once

#include <bit>
#include <cstdint>

#include "retrace/core/store.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// 8 exponent bits and 8 significand bits, one of them implicit.
struct Bfloat16 {
  std::uint16_t bits = 0;

  constexpr Bfloat16() = default;
  /// Rounds to nearest, ties to even.
  constexpr explicit Bfloat16(float x) {
    const auto word = std::bit_cast<std::uint32_t>(x);
    const bool is_nan = (word & 0x7fffffff) > 0x7f800000;
    const std::uint32_t rounded = word + 0x7fff + ((word >> 16) & 1);
    bits = static_cast<std::uint16_t>((is_nan ? word | 0x400000 : rounded) >> 16);
  }
  constexpr explicit operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits} << 16);
  }
};

/// q =, += or −= x. The sum is rounded to bfloat16, so subtraction does not undo addition exactly.
template <class T, class Counts>
void store_rounded(Bfloat16& q, T x, T, Store how, Counts&) {
  const auto value = static_cast<float>(x), old = static_cast<float>(q);
  q = Bfloat16(how == Store::set ? value : how == Store::add ? old + value : old - value);
}

template <class T>
constexpr T widened(Bfloat16 q, T) {
  return static_cast<T>(static_cast<float>(q));
}

}  // namespace retrace::inline RETRACE_ISA::math
