#include "cuda/ptx/conversion.hpp"

#include <cmath>
#include <limits>

#include "cuda/ptx/values.hpp"

namespace ptx {
namespace {

/// `unordered` is for comparisons with NaN; those ending in u are then true.
template <class T>
bool holds(const Instruction& in, const std::string& relation, T a, T b, bool unordered) {
  if (relation == "eq") return a == b;
  if (relation == "ne") return !unordered && a != b;
  if (relation == "lt" || relation == "lo") return a < b;
  if (relation == "le" || relation == "ls") return a <= b;
  if (relation == "gt" || relation == "hi") return a > b;
  if (relation == "ge" || relation == "hs") return a >= b;
  if (relation == "nan") return unordered;
  if (relation == "num") return !unordered;
  if (relation.size() == 3 && relation.back() == 'u')
    return unordered || holds(in, relation.substr(0, 2), a, b, false);
  fail_type(in);
}

bool relation_holds(const Instruction& in, const Bits* s) {
  const std::string& relation = in.modifiers[0];
  if (in.type == Type::f16 || in.type == Type::bf16) {
    const double a = floating(in.type, s[0]), b = floating(in.type, s[1]);
    return holds(in, relation, a, b, std::isnan(a) || std::isnan(b));
  }
  return with_number(in, [&](auto t) -> Bits {
           using T = decltype(t);
           const T a = as<T>(s[0]), b = as<T>(s[1]);
           bool unordered = false;
           if constexpr (std::is_floating_point_v<T>) unordered = std::isnan(a) || std::isnan(b);
           return holds(in, relation, a, b, unordered);
         }) != 0;
}

/// Returns an integer of any width, sign-extended.
std::int64_t integer(Type type, Bits value) {
  switch (type) {
    case Type::s8:
      return as<std::int8_t>(value);
    case Type::s16:
      return as<std::int16_t>(value);
    case Type::s32:
      return as<std::int32_t>(value);
    default:
      return static_cast<std::int64_t>(low(value, type));
  }
}

double rounded(const Instruction& in, double x) {
  if (in.has("rni")) return std::nearbyint(x);
  if (in.has("rzi")) return std::trunc(x);
  if (in.has("rmi")) return std::floor(x);
  if (in.has("rpi")) return std::ceil(x);
  return x;
}

/// Clamps a value that does not fit, and converts NaN to 0.
template <class T>
Bits clamped(double x) {
  if (std::isnan(x)) return 0;
  if (x <= static_cast<double>(std::numeric_limits<T>::min()))
    return bits(std::numeric_limits<T>::min());
  if (x >= static_cast<double>(std::numeric_limits<T>::max()))
    return bits(std::numeric_limits<T>::max());
  return bits(static_cast<T>(x));
}

Bits to_integer(const Instruction& in, double x) {
  switch (in.first) {
    case Type::s8:
      return clamped<std::int8_t>(x);
    case Type::u8:
      return clamped<std::uint8_t>(x);
    case Type::s16:
      return clamped<std::int16_t>(x);
    case Type::u16:
      return clamped<std::uint16_t>(x);
    case Type::s32:
      return clamped<std::int32_t>(x);
    case Type::u32:
      return clamped<std::uint32_t>(x);
    case Type::s64:
      return clamped<std::int64_t>(x);
    case Type::u64:
      return clamped<std::uint64_t>(x);
    default:
      fail_type(in);
  }
}

Bits integer_to_float(const Instruction& in, Bits value) {
  const std::int64_t i = integer(in.type, value);
  if (in.first == Type::f32)  // rounded only once
    return bits(is_signed(in.type) ? static_cast<float>(i)
                                   : static_cast<float>(static_cast<std::uint64_t>(i)));
  return floating_bits(in.first, is_signed(in.type)
                                     ? static_cast<double>(i)
                                     : static_cast<double>(static_cast<std::uint64_t>(i)));
}

Bits float_to_float(const Instruction& in, Bits value) {
  if (in.has("rz") || in.has("rm") || in.has("rp")) fail_type(in);
  double x = rounded(in, floating(in.type, value));
  if (in.has("sat")) x = std::isnan(x) ? 0 : std::fmin(1, std::fmax(0, x));
  if (in.has("relu")) x = std::isnan(x) ? x : std::fmax(0, x);
  if (in.type == Type::f64 && in.first != Type::f64) {
    if (in.first == Type::f16) return bits(__double2half(x));
    if (in.first == Type::bf16) return bits(__double2bfloat16(x));
  }
  return floating_bits(in.first, x);
}

}  // namespace

Bits compare(const Instruction& in, const Bits* s) {
  const bool holds = relation_holds(in, s);
  if (in.operands.size() < 4) return holds;
  const bool other = (s[2] & 1) != 0;
  if (in.has("and")) return holds && other;
  if (in.has("or")) return holds || other;
  if (in.has("xor")) return holds != other;
  fail_type(in);
}

Bits convert(const Instruction& in, const Bits* s) {
  if (in.first == Type::f16x2)
    return floating_bits(Type::f16, as<float>(s[0])) << 16 |
           floating_bits(Type::f16, as<float>(s[1]));
  if (is_floating(in.type))
    return is_floating(in.first) ? float_to_float(in, s[0])
                                 : to_integer(in, rounded(in, floating(in.type, s[0])));
  if (is_floating(in.first)) return integer_to_float(in, s[0]);
  return low(static_cast<Bits>(integer(in.type, s[0])),
             bytes_of(in.first) < 4 && is_signed(in.first) ? Type::b32 : in.first);
}

}  // namespace ptx
