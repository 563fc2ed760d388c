#include "retrace/cpu/cpu_features.hpp"

#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("a program reports the vectors that it was compiled for") {
  const CpuFeatures features = cpu_features();
  CHECK(features.vector_bytes == vector_bytes);
#if defined(__AVX2__) && defined(__FMA__) && !defined(__AVX512F__)
  CHECK(features.compiled_for == "avx2");
  CHECK(features.vector_bytes == 32);
#endif
  CHECK(features.wider_available == (features.widest != features.compiled_for));
}

TEST_CASE("a program compiled for narrower vectors than its processor has prints a hint") {
  CHECK(to_string(CpuFeatures{"avx2", 32, "avx2", false}) == "avx2, 32-byte vectors");
  CHECK(to_string(CpuFeatures{"baseline", 16, "avx512", true}) ==
        "baseline, 16-byte vectors (this processor has avx512: compile with -march=native, or "
        "CMake's RETRACE_NATIVE, to use it)");
}
