// Fixed-point numbers q = round(x·2^b), whose sums can be undone bit for bit.
#pragma once

#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "retrace/core/shape.hpp"
#include "retrace/core/store.hpp"

namespace retrace::inline RETRACE_ISA::math {

/// An integer type that can hold a state: 16 or 32 bits.
template <class E>
concept FixedPoint = std::same_as<E, std::int16_t> || std::same_as<E, std::int32_t>;

/// Counts of values that did not fit. A narrow Count keeps a loop over few elements vectorised.
template <class Count>
struct RoundingCounts {
  Count overflows = 0;  ///< values or sums outside the integer range
  Count nonfinite = 0;  ///< NaNs and infinities
};

/// The largest number of fraction bits, which leaves one bit before the point: 14 or 30.
template <FixedPoint E>
inline constexpr int most_fraction_bits = std::numeric_limits<E>::digits - 1;

/// Checks a number of fraction bits.
/// @throws std::invalid_argument unless 0 <= bits <= most_fraction_bits<E>.
template <FixedPoint E>
void require_fraction_bits(int bits) {
  if (bits < 0 || bits > most_fraction_bits<E>)
    throw std::invalid_argument("the number of fraction bits is " + std::to_string(bits) +
                                " but must be 0 to " + std::to_string(most_fraction_bits<E>) +
                                " in " + std::to_string(8 * sizeof(E)) + "-bit fixed point");
}

/// Returns the largest number of fraction bits for which 2^head_room·largest fits.
/// @throws std::invalid_argument if it does not fit with 0 fraction bits, or `largest` is NaN.
template <FixedPoint E>
int fraction_bits_for(double largest, int head_room) {
  const double room = std::numeric_limits<E>::max() / (std::ldexp(1.0, head_room) * largest);
  if (!(room >= 1))
    throw std::invalid_argument("values up to " + std::to_string(largest) + " with " +
                                std::to_string(head_room) + " bits of headroom do not fit " +
                                std::to_string(8 * sizeof(E)) + " bits");
  const double bits = std::floor(std::log2(room));
  return bits < most_fraction_bits<E> ? static_cast<int>(bits) : most_fraction_bits<E>;
}

/// Returns x·scale rounded to the nearest integer, ties to even, and saturated. NaN becomes the
/// lowest integer.
template <FixedPoint E, class T, class Count>
constexpr E saturated(T x, T scale, RoundingCounts<Count>& counts) {
  // The largest value of T that fits into E; a float for 32 bits is one float step below 2^31.
  constexpr T lowest = static_cast<T>(std::numeric_limits<E>::min());
  constexpr T excess = sizeof(E) == 4 && std::numeric_limits<T>::digits < 32 ? T(128) : T(1);
  constexpr T highest = -lowest - excess;
  const T exact = std::nearbyint(x * scale);
  counts.nonfinite += !(std::abs(x) <= std::numeric_limits<T>::max());
  counts.overflows += exact < lowest || exact > highest;
  return static_cast<E>(exact > highest ? highest : exact >= lowest ? exact : lowest);
}

/// Returns q + r or q − r modulo 2^n; each undoes the other. Counts sums outside the range.
template <FixedPoint E, class Count>
constexpr E wrapping_sum(E q, E r, Store how, RoundingCounts<Count>& counts) {
  using U = std::make_unsigned_t<E>;
  const U a = static_cast<U>(q), b = static_cast<U>(r);
  const U sum = static_cast<U>(how == Store::subtract ? a - b : a + b);
  // An overflow gives the sum a sign unlike that of both terms (for a difference: of a and −b).
  const U flipped =
      static_cast<U>(how == Store::subtract ? (a ^ b) & (a ^ sum) : (a ^ sum) & (b ^ sum));
  counts.overflows += static_cast<Count>(flipped >> (8 * sizeof(E) - 1));
  return static_cast<E>(sum);
}

/// q =, += or −= round(x·scale).
template <FixedPoint E, class T, class Count>
constexpr void store_rounded(E& q, T x, T scale, Store how, RoundingCounts<Count>& counts) {
  const E r = saturated<E>(x, scale, counts);
  q = how == Store::set ? r : wrapping_sum(q, r, how, counts);
}

/// Returns q/scale, for a scale that is a power of two. Exact if T has enough digits.
template <class T, FixedPoint E>
constexpr T widened(E q, T step) {
  return static_cast<T>(q) * step;
}

}  // namespace retrace::inline RETRACE_ISA::math
