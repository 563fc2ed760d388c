// Elements of the libraries' types, as double.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <bit>
#include <cstddef>
#include <cstdint>

namespace doubles {

enum class Number { float64, float32, float16, bfloat16 };

inline std::size_t bytes_of(Number type) {
  return type == Number::float64 ? 8 : type == Number::float32 ? 4 : 2;
}

inline double read(Number type, const void* from, std::ptrdiff_t i) {
  switch (type) {
    case Number::float64:
      return static_cast<const double*>(from)[i];
    case Number::float32:
      return static_cast<const float*>(from)[i];
    case Number::float16:
      return __half2float(static_cast<const __half*>(from)[i]);
    case Number::bfloat16:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(from)[i]);
  }
  return 0;
}

inline void write(Number type, void* to, std::ptrdiff_t i, double x) {
  switch (type) {
    case Number::float64:
      static_cast<double*>(to)[i] = x;
      break;
    case Number::float32:
      static_cast<float*>(to)[i] = static_cast<float>(x);
      break;
    case Number::float16:
      static_cast<__half*>(to)[i] = __double2half(x);
      break;
    case Number::bfloat16:
      static_cast<__nv_bfloat16*>(to)[i] = __double2bfloat16(x);
      break;
  }
}

/// Rounds to the 11 bits of TF32, as tensor cores do with a float.
inline double tf32(double x) {
  const auto bits = std::bit_cast<std::uint32_t>(static_cast<float>(x));
  return std::bit_cast<float>((bits + 0x1000u) & 0xFFFFE000u);
}

}  // namespace doubles
