// Names the instruction set that a translation unit is compiled for, and its vector width.
#pragma once

// Everything in Retrace lives in an inline namespace of this name. Two translation units built
// for different instruction sets therefore never share an inline function: otherwise the linker
// could give AVX-512 code to a unit that was built to run on any processor.
#if defined(__AVX512F__)
#define RETRACE_ISA avx512
#define RETRACE_VECTOR_BYTES 64
#elif defined(__AVX2__) && defined(__FMA__)
#define RETRACE_ISA avx2
#define RETRACE_VECTOR_BYTES 32
#elif defined(__AVX__)
#define RETRACE_ISA avx
#define RETRACE_VECTOR_BYTES 32
#elif defined(__ARM_NEON)
#define RETRACE_ISA neon
#define RETRACE_VECTOR_BYTES 16
#else
#define RETRACE_ISA baseline
#define RETRACE_VECTOR_BYTES 16
#endif

#ifdef __FAST_MATH__
#error "Retrace recomputes activations bit for bit, which -ffast-math breaks: build without it."
#endif

#define RETRACE_TEXT_OF(name) #name
#define RETRACE_TEXT(name) RETRACE_TEXT_OF(name)

namespace retrace::inline RETRACE_ISA {

/// The name of the instruction set as text: "avx512".
inline constexpr const char* instruction_set = RETRACE_TEXT(RETRACE_ISA);

/// Bytes per vector register of the target.
inline constexpr int vector_bytes = RETRACE_VECTOR_BYTES;

}  // namespace retrace::inline RETRACE_ISA

#undef RETRACE_TEXT
#undef RETRACE_TEXT_OF
