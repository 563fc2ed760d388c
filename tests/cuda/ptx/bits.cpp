#include "cuda/ptx/bits.hpp"

#include <algorithm>
#include <bit>

#include "cuda/ptx/values.hpp"

namespace ptx {
namespace {

/// Returns `count` one bits.
Bits ones(Bits count) { return count >= 64 ? ~Bits{0} : (Bits{1} << count) - 1; }

}  // namespace

Bits conjunction(const Instruction&, const Bits* s) { return s[0] & s[1]; }
Bits disjunction(const Instruction&, const Bits* s) { return s[0] | s[1]; }
Bits exclusive_or(const Instruction&, const Bits* s) { return s[0] ^ s[1]; }
Bits complement(const Instruction& in, const Bits* s) {
  return in.type == Type::pred ? (s[0] & 1) ^ 1 : low(~s[0], in.type);
}

Bits shift_left(const Instruction& in, const Bits* s) {
  const auto by = as<std::uint32_t>(s[1]);
  return by >= 8 * bytes_of(in.type) ? 0 : low(s[0] << by, in.type);
}

Bits shift_right(const Instruction& in, const Bits* s) {
  const auto by = as<std::uint32_t>(s[1]);
  return with_integer(in, [&](auto t) {
    using T = decltype(t);
    constexpr std::uint32_t all = 8 * sizeof(T);
    const T value = as<T>(s[0]);
    if (by >= all) return bits(static_cast<T>(std::is_signed_v<T> && value < 0 ? -1 : 0));
    return bits(static_cast<T>(value >> by));
  });
}

Bits insert_field(const Instruction& in, const Bits* s) {
  const Bits position = s[2] & 255, mask = position > 63 ? 0 : ones(s[3] & 255) << position;
  return low((s[1] & ~mask) | ((position > 63 ? 0 : s[0] << position) & mask), in.type);
}

Bits extract_field(const Instruction& in, const Bits* s) {
  if (is_signed(in.type)) fail_type(in);
  const Bits position = s[1] & 255;
  return position > 63 ? 0 : (low(s[0], in.type) >> position) & ones(s[2] & 255);
}

Bits leading_zeros(const Instruction& in, const Bits* s) {
  return static_cast<Bits>(bytes_of(in.type) == 8 ? std::countl_zero(s[0])
                                                  : std::countl_zero(as<std::uint32_t>(s[0])));
}

Bits count_ones(const Instruction& in, const Bits* s) {
  return static_cast<Bits>(std::popcount(low(s[0], in.type)));
}

Bits copy_sign(const Instruction& in, const Bits* s) {
  const Bits sign = Bits{1} << (8 * bytes_of(in.type) - 1);
  return (s[0] & sign) | (s[1] & ~sign);
}

/// Selects four of eight bytes.
Bits permute(const Instruction& in, const Bits* s) {
  if (in.modifiers.size() != 1) fail_type(in);
  const Bits bytes = s[1] << 32 | as<std::uint32_t>(s[0]);
  Bits result = 0;
  for (unsigned i = 0; i < 4; ++i) {
    const Bits choice = s[2] >> (4 * i) & 15;
    Bits byte = bytes >> (8 * (choice & 7)) & 255;
    if ((choice & 8) != 0) byte = (byte & 128) != 0 ? 255 : 0;
    result |= byte << (8 * i);
  }
  return result;
}

/// Returns the upper half of two words shifted left, or the lower half of them shifted right.
Bits funnel_shift(const Instruction& in, const Bits* s) {
  const Bits both = s[1] << 32 | as<std::uint32_t>(s[0]);
  const Bits by = in.has("wrap") ? s[2] & 31 : std::min<Bits>(s[2] & 0xFFFFFFFFu, 32);
  return low(in.has("l") ? (by == 0 ? both >> 32 : both >> (32 - by)) : both >> by, Type::b32);
}

}  // namespace ptx
