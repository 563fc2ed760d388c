#include "retrace/math/fixed_point.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "retrace/math/bfloat16.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::math;

namespace {

using Counts = RoundingCounts<Index>;

template <class E, class T>
E rounded(T x, int bits, Counts& counts) {
  return saturated<E>(x, static_cast<T>(std::ldexp(1.0, bits)), counts);
}

/// Returns the sum without overflow.
std::int64_t exact_sum(std::int64_t q, std::int64_t r, Store how) {
  return how == Store::add ? q + r : q - r;
}

}  // namespace

TEST_CASE("rounding to fixed point is to nearest, ties to even") {
  Counts counts;
  CHECK(rounded<std::int16_t>(0.5f, 0, counts) == 0);
  CHECK(rounded<std::int16_t>(1.5f, 0, counts) == 2);
  CHECK(rounded<std::int16_t>(-2.5f, 0, counts) == -2);
  CHECK(rounded<std::int16_t>(1.26f, 2, counts) == 5);
  CHECK(rounded<std::int32_t>(-3.75, 8, counts) == -960);
  CHECK(counts.overflows == 0);
  CHECK(counts.nonfinite == 0);
}

TEST_CASE("rounding to fixed point saturates and counts the values that do not fit") {
  Counts counts;
  CHECK(rounded<std::int16_t>(32767.4f, 0, counts) == 32767);
  CHECK(rounded<std::int16_t>(-32768.4f, 0, counts) == -32768);
  CHECK(rounded<std::int32_t>(2147483647.0, 0, counts) == 2147483647);
  CHECK(rounded<std::int32_t>(-2147483648.0f, 0, counts) == std::numeric_limits<int>::min());
  CHECK(counts.overflows == 0);
  CHECK(rounded<std::int16_t>(32768.f, 0, counts) == 32767);
  CHECK(rounded<std::int16_t>(-1e30f, 0, counts) == -32768);
  CHECK(rounded<std::int32_t>(2147483648.0f, 0, counts) ==
        2147483520);  // the largest float that fits
  CHECK(rounded<std::int32_t>(3e38f, 30, counts) == 2147483520);
  CHECK(counts.overflows == 4);
  CHECK(counts.nonfinite == 0);

  constexpr float infinity = std::numeric_limits<float>::infinity();
  rounded<std::int16_t>(std::numeric_limits<float>::quiet_NaN(), 3, counts);
  rounded<std::int32_t>(infinity, 3, counts);
  rounded<std::int32_t>(-infinity, 3, counts);
  CHECK(counts.nonfinite == 3);
}

TEST_CASE("sums wrap, can be undone bit for bit, and count every overflow") {
  constexpr std::array<int, 9> values{0, 1, -1, 5, -7, 32767, -32768, 32766, -32767};
  for (int a : values)
    for (int b : values)
      for (Store how : {Store::add, Store::subtract}) {
        const auto q = static_cast<std::int16_t>(a), r = static_cast<std::int16_t>(b);
        Counts counts, ignored;
        const std::int16_t sum = wrapping_sum(q, r, how, counts);
        const std::int64_t exact = exact_sum(a, b, how);
        CAPTURE(a, b, how);
        CHECK(counts.overflows == (exact < -32768 || exact > 32767));
        if (counts.overflows == 0) CHECK(sum == exact);
        const Store back = how == Store::add ? Store::subtract : Store::add;
        CHECK(wrapping_sum(sum, r, back, ignored) == q);
      }
  Counts counts;
  constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
  const std::int32_t sum = wrapping_sum(most, std::int32_t{1}, Store::add, counts);
  CHECK(sum == std::numeric_limits<std::int32_t>::min());
  CHECK(counts.overflows == 1);
  CHECK(wrapping_sum(sum, std::int32_t{1}, Store::subtract, counts) == most);
}

TEST_CASE("fraction bits leave headroom and are refused out of range") {
  CHECK(fraction_bits_for<std::int16_t>(1, 0) == 14);
  CHECK(fraction_bits_for<std::int16_t>(1.1, 0) == 14);
  CHECK(fraction_bits_for<std::int16_t>(2.1, 0) == 13);
  CHECK(fraction_bits_for<std::int16_t>(2.1, 2) == 11);
  CHECK(fraction_bits_for<std::int32_t>(20, 6) == 20);
  CHECK(fraction_bits_for<std::int16_t>(0, 2) == 14);
  CHECK(fraction_bits_for<std::int16_t>(30000, 0) == 0);
  CHECK_THROWS_WITH(fraction_bits_for<std::int16_t>(30000, 2), containing("do not fit 16 bits"));
  CHECK_THROWS_AS(fraction_bits_for<std::int16_t>(std::nan(""), 2), std::invalid_argument);
  CHECK_NOTHROW(require_fraction_bits<std::int16_t>(14));
  CHECK_THROWS_WITH(require_fraction_bits<std::int16_t>(15),
                    "the number of fraction bits is 15 but must be 0 to 14 in 16-bit fixed point");
  CHECK_THROWS_AS(require_fraction_bits<std::int32_t>(-1), std::invalid_argument);
}

TEST_CASE("bfloat16 keeps eight bits, rounded to nearest, ties to even") {
  const auto kept = [](float x) { return static_cast<float>(Bfloat16(x)); };
  CHECK(kept(1.f) == 1.f);
  CHECK(kept(-0.15625f) == -0.15625f);
  CHECK(kept(1.f + 0x1p-8f) == 1.f);
  CHECK(kept(1.f + 3 * 0x1p-8f) == 1.f + 0x1p-6f);
  CHECK(kept(1.f + 0x1.01p-8f) == 1.f + 0x1p-7f);
  CHECK(kept(3.4e38f) == std::numeric_limits<float>::infinity());
  CHECK(std::isnan(kept(std::numeric_limits<float>::quiet_NaN())));
}
