// The vectors that a program is compiled for, and whether its processor has wider ones.
#pragma once

#include <string>
#include <string_view>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// The instruction set that Retrace's kernels use, compared with the processor's. Kernels are
/// compiled for the instruction set of their translation unit; there is no run-time dispatch.
struct CpuFeatures {
  std::string_view compiled_for;  ///< "avx512", "avx2", "avx", "neon" or "baseline"
  int vector_bytes;               ///< size of the kernels' vector registers
  std::string_view widest;        ///< the processor's widest, if it can be detected
  bool wider_available;           ///< kernels compiled for `widest` would be faster
};

namespace detail {

/// Returns the widest instruction set of the processor for which Retrace has a kernel width.
inline std::string_view widest_instruction_set([[maybe_unused]] std::string_view otherwise) {
#if defined(__x86_64__) || defined(__i386__)
  if (__builtin_cpu_supports("avx512f")) return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
  if (__builtin_cpu_supports("avx")) return "avx";
  return "baseline";
#else
  return otherwise;
#endif
}

}  // namespace detail

inline CpuFeatures cpu_features() {
#define RETRACE_NAME_OF(isa) RETRACE_QUOTED(isa)
#define RETRACE_QUOTED(isa) #isa
  constexpr std::string_view compiled_for = RETRACE_NAME_OF(RETRACE_ISA);
#undef RETRACE_QUOTED
#undef RETRACE_NAME_OF
  const std::string_view widest = detail::widest_instruction_set(compiled_for);
  return {compiled_for, vector_bytes, widest, widest != compiled_for};
}

/// Returns "avx2, 32-byte vectors", and a hint if the processor has wider vectors.
inline std::string to_string(const CpuFeatures& features) {
  std::string text = std::string(features.compiled_for) + ", " +
                     std::to_string(features.vector_bytes) + "-byte vectors";
  if (features.wider_available)
    text += " (this processor has " + std::string(features.widest) +
            ": compile with -march=native, or CMake's RETRACE_NATIVE, to use it)";
  return text;
}

}  // namespace retrace::inline RETRACE_ISA
