#include "cuda/ptx/arithmetic.hpp"

#include <cfenv>
#include <cmath>
#include <limits>

#include "cuda/ptx/bits.hpp"
#include "cuda/ptx/conversion.hpp"
#include "cuda/ptx/values.hpp"

namespace ptx {
namespace {

template <class T>
constexpr bool is_float = std::is_floating_point_v<T>;

/// Integer arithmetic wraps.
template <class T, class F>
T wrapping(T a, T b, F&& f) {
  if constexpr (is_float<T>)
    return static_cast<T>(f(a, b));
  else
    return static_cast<T>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
}

template <class F>
Bits binary(const Instruction& in, const Bits* s, F&& f) {
  if (in.has("rz") || in.has("rm") || in.has("rp")) fail_type(in);
  if (in.type == Type::f16 || in.type == Type::bf16)
    return floating_bits(in.type, f(static_cast<float>(floating(in.type, s[0])),
                                    static_cast<float>(floating(in.type, s[1]))));
  return with_number(in, [&](auto t) {
    using T = decltype(t);
    return bits(static_cast<T>(f(as<T>(s[0]), as<T>(s[1]))));
  });
}

// ---- Sums and products ------------------------------------------------------------------------

Bits subtract(const Instruction& in, const Bits* s) {
  return binary(
      in, s, [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x - y; }); });
}

template <class Wide, class T>
Bits upper_half(Bits a, Bits b) {
  return bits(static_cast<T>((Wide{as<T>(a)} * Wide{as<T>(b)}) >> (8 * sizeof(T))));
}

Bits high_product(const Instruction& in, const Bits* s) {
  __extension__ using Wide = __int128;
  __extension__ using UnsignedWide = unsigned __int128;
  switch (in.type) {
    case Type::s32:
      return upper_half<std::int64_t, std::int32_t>(s[0], s[1]);
    case Type::u32:
      return upper_half<std::uint64_t, std::uint32_t>(s[0], s[1]);
    case Type::s64:
      return upper_half<Wide, std::int64_t>(s[0], s[1]);
    case Type::u64:
      return upper_half<UnsignedWide, std::uint64_t>(s[0], s[1]);
    default:
      fail_type(in);
  }
}

/// Multiplies to a result twice as wide as the factors.
Bits wide_product(const Instruction& in, const Bits* s) {
  switch (in.type) {
    case Type::s16:
      return bits(std::int32_t{as<std::int16_t>(s[0])} * as<std::int16_t>(s[1]));
    case Type::u16:
      return bits(std::uint32_t{as<std::uint16_t>(s[0])} * as<std::uint16_t>(s[1]));
    case Type::s32:
      return bits(std::int64_t{as<std::int32_t>(s[0])} * as<std::int32_t>(s[1]));
    case Type::u32:
      return bits(std::uint64_t{as<std::uint32_t>(s[0])} * as<std::uint32_t>(s[1]));
    default:
      fail_type(in);
  }
}

Bits multiply(const Instruction& in, const Bits* s) {
  if (in.has("wide")) return wide_product(in, s);
  if (in.has("hi")) return high_product(in, s);
  return binary(
      in, s, [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x * y; }); });
}

Bits multiply_add(const Instruction& in, const Bits* s) {
  const Bits sum = multiply(in, s) + s[2];
  return in.has("wide") && bytes_of(in.type) == 4 ? sum
         : in.has("wide")                         ? low(sum, Type::b32)
                                                  : low(sum, in.type);
}

/// Rounds in the direction of the instruction.
Bits rounded_fma(const Instruction& in, const Bits* s) {
  const int direction = in.has("rm")   ? FE_DOWNWARD
                        : in.has("rp") ? FE_UPWARD
                        : in.has("rz") ? FE_TOWARDZERO
                                       : FE_TONEAREST;
  const volatile float a = as<float>(s[0]), b = as<float>(s[1]), c = as<float>(s[2]);
  std::fesetround(direction);
  const volatile float result = std::fma(a, b, c);
  std::fesetround(FE_TONEAREST);
  return bits(static_cast<float>(result));
}

Bits fused_multiply_add(const Instruction& in, const Bits* s) {
  if (in.type == Type::f32) return rounded_fma(in, s);
  if (!in.has("rn")) fail_type(in);
  if (in.type == Type::f64)
    return bits(std::fma(as<double>(s[0]), as<double>(s[1]), as<double>(s[2])));
  if (in.type != Type::f16 && in.type != Type::bf16) fail_type(in);
  // A product of halves is exact in double, and so is the sum except for extreme values.
  return floating_bits(in.type,
                       floating(in.type, s[0]) * floating(in.type, s[1]) + floating(in.type, s[2]));
}

Bits divide(const Instruction& in, const Bits* s) {
  return binary(in, s, [](auto a, auto b) {
    using T = decltype(a);
    if constexpr (is_float<T>) {
      return a / b;
    } else {
      if (b == 0) return static_cast<T>(-1);
      if (std::is_signed_v<T> && b == static_cast<T>(-1))
        return wrapping(T{0}, a, [](auto x, auto y) { return x - y; });
      return static_cast<T>(a / b);
    }
  });
}

Bits remainder(const Instruction& in, const Bits* s) {
  return with_integer(in, [&](auto t) {
    using T = decltype(t);
    const T a = as<T>(s[0]), b = as<T>(s[1]);
    if (b == 0) return bits(a);
    return bits(std::is_signed_v<T> && b == static_cast<T>(-1) ? T{0} : static_cast<T>(a % b));
  });
}

Bits minimum(const Instruction& in, const Bits* s) {
  return binary(in, s, [](auto a, auto b) {
    if constexpr (is_float<decltype(a)>)
      return std::fmin(a, b);
    else
      return b < a ? b : a;
  });
}

Bits negate(const Instruction& in, const Bits* s) {
  if (is_floating(in.type)) return s[0] ^ (Bits{1} << (8 * bytes_of(in.type) - 1));
  return low(Bits{0} - s[0], in.type);
}

Bits absolute(const Instruction& in, const Bits* s) {
  const Bits sign = Bits{1} << (8 * bytes_of(in.type) - 1);
  if (is_floating(in.type)) return s[0] & ~sign;
  return (s[0] & sign) != 0 ? negate(in, s) : s[0];
}

// ---- Functions --------------------------------------------------------------------------------

template <class F>
Bits unary_float(const Instruction& in, const Bits* s, F&& f) {
  if (in.type == Type::f32) return bits(static_cast<float>(f(as<float>(s[0]))));
  if (in.type == Type::f64) return bits(static_cast<double>(f(as<double>(s[0]))));
  fail_type(in);
}

Bits exp2(const Instruction& in, const Bits* s) {
  return unary_float(in, s, [](auto x) { return std::exp2(x); });
}
Bits log2(const Instruction& in, const Bits* s) {
  return unary_float(in, s, [](auto x) { return std::log2(x); });
}
Bits reciprocal(const Instruction& in, const Bits* s) {
  return unary_float(in, s, [](auto x) { return 1 / x; });
}
Bits square_root(const Instruction& in, const Bits* s) {
  return unary_float(in, s, [](auto x) { return std::sqrt(x); });
}
Bits reciprocal_root(const Instruction& in, const Bits* s) {
  return unary_float(in, s, [](auto x) { return 1 / std::sqrt(x); });
}

Bits select(const Instruction&, const Bits* s) { return (s[2] & 1) != 0 ? s[0] : s[1]; }

}  // namespace

Bits add(const Instruction& in, const Bits* s) {
  return binary(
      in, s, [](auto a, auto b) { return wrapping(a, b, [](auto x, auto y) { return x + y; }); });
}

Bits maximum(const Instruction& in, const Bits* s) {
  return binary(in, s, [](auto a, auto b) {
    if constexpr (is_float<decltype(a)>)
      return std::fmax(a, b);
    else
      return a < b ? b : a;
  });
}

Pure pure_instruction(const std::string& name) {
  static const std::map<std::string, Pure> all{{"add", add},
                                               {"sub", subtract},
                                               {"mul", multiply},
                                               {"mad", multiply_add},
                                               {"fma", fused_multiply_add},
                                               {"div", divide},
                                               {"rem", remainder},
                                               {"min", minimum},
                                               {"max", maximum},
                                               {"neg", negate},
                                               {"abs", absolute},
                                               {"and", conjunction},
                                               {"or", disjunction},
                                               {"xor", exclusive_or},
                                               {"not", complement},
                                               {"shl", shift_left},
                                               {"shr", shift_right},
                                               {"bfi", insert_field},
                                               {"bfe", extract_field},
                                               {"clz", leading_zeros},
                                               {"popc", count_ones},
                                               {"copysign", copy_sign},
                                               {"prmt", permute},
                                               {"shf", funnel_shift},
                                               {"ex2", exp2},
                                               {"lg2", log2},
                                               {"rcp", reciprocal},
                                               {"sqrt", square_root},
                                               {"rsqrt", reciprocal_root},
                                               {"selp", select},
                                               {"setp", compare},
                                               {"cvt", convert}};
  const auto found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

}  // namespace ptx
