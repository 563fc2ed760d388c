// Converts the bits of registers to numbers.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cuda/ptx/module.hpp"
#include "cuda/ptx/statements.hpp"

namespace ptx {

template <class T>
T as(Bits bits) {
  T value;
  std::memcpy(static_cast<void*>(&value), &bits, sizeof value);
  return value;
}

/// The bits above those of the type are 0.
template <class T>
Bits bits(T value) {
  Bits all = 0;
  std::memcpy(&all, &value, sizeof value);
  return all;
}

inline Bits low(Bits value, Type type) {
  const auto count = 8 * bytes_of(type);
  return count == 64 ? value : value & ((Bits{1} << count) - 1);
}

[[noreturn]] inline void fail_type(const Instruction& in) {
  fail_at(in.line, "not supported: '" + in.text + "'");
}

/// Calls f with a number of the instruction's type: a float, or a signed or unsigned integer.
template <class F>
Bits with_integer(const Instruction& in, F&& f) {
  switch (in.type) {
    case Type::s16:
      return f(std::int16_t{});
    case Type::b16:
    case Type::u16:
      return f(std::uint16_t{});
    case Type::s32:
      return f(std::int32_t{});
    case Type::b32:
    case Type::u32:
      return f(std::uint32_t{});
    case Type::s64:
      return f(std::int64_t{});
    case Type::b64:
    case Type::u64:
      return f(std::uint64_t{});
    default:
      fail_type(in);
  }
}

template <class F>
Bits with_number(const Instruction& in, F&& f) {
  switch (in.type) {
    case Type::f32:
      return f(float{});
    case Type::f64:
      return f(double{});
    default:
      return with_integer(in, f);
  }
}

/// Returns a float of any width as float or double.
inline double floating(Type type, Bits value) {
  switch (type) {
    case Type::f16:
      return __half2float(as<__half>(value));
    case Type::bf16:
      return __bfloat162float(as<__nv_bfloat16>(value));
    case Type::f32:
      return as<float>(value);
    default:
      return as<double>(value);
  }
}

inline Bits floating_bits(Type type, double value) {
  switch (type) {
    case Type::f16:
      return bits(__float2half_rn(static_cast<float>(value)));
    case Type::bf16:
      return bits(__float2bfloat16_rn(static_cast<float>(value)));
    case Type::f32:
      return bits(static_cast<float>(value));
    default:
      return bits(value);
  }
}

inline bool is_floating(Type type) {
  return type == Type::f16 || type == Type::bf16 || type == Type::f32 || type == Type::f64;
}
inline bool is_signed(Type type) {
  return type == Type::s8 || type == Type::s16 || type == Type::s32 || type == Type::s64;
}

}  // namespace ptx
