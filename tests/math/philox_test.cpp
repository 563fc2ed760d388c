// Compares Philox with the known answers of its authors, and tests numbers derived from it.
#include "retrace/math/philox.hpp"

#include <array>
#include <cmath>
#include <cstdint>
#include <random>

#include "support/catch.hpp"

using namespace retrace;

TEST_CASE("philox matches the known answers of Random123") {
  // From Random123's kat_vectors: philox4x32, 10 rounds.
  CHECK(philox({0, 0, 0, 0}, {0, 0}) ==
        PhiloxCounter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}) ==
        PhiloxCounter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        PhiloxCounter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
  static_assert(philox({0, 0, 0, 0}, {0, 0})[0] == 0x6627e8d5);
}

TEST_CASE("words are converted to numbers within bounds") {
  static_assert(uniform(0u) == 0.0f);
  static_assert(uniform(0xffffffffu) == 1.0f - 0x1p-24f);
  static_assert(uniform(0u, 0u) == 0.0);
  static_assert(uniform(0xffffffffu, 0xffffffffu) == 1.0 - 0x1p-53);
  static_assert(uniform(0x80000000u, 0u) == 0.5);
  static_assert(below(0, 10) == 0);
  static_assert(below(0xffffffff, 10) == 9);
  static_assert(below(0xffffffff, 0) == 0);
  CHECK(std::isfinite(standard_normal({0xffffffff, 0xffffffff, 0, 0})[0]));
  CHECK(standard_normal({0, 0, 0, 0}) == std::array<double, 2>{0, 0});
}

TEST_CASE("Random returns the words of its stream in order") {
  Random random(0x0123456789abcdef, 0xfedcba9876543210, 5);
  for (std::uint32_t block = 5; block < 8; ++block)
    for (std::uint32_t word : philox({block, 0, 0x76543210, 0xfedcba98}, {0x89abcdef, 0x01234567}))
      CHECK(random() == word);
}

TEST_CASE(
    "different seeds, streams and purposes give different numbers, equal ones equal numbers") {
  const std::uint32_t first = Random(1, 2)();
  CHECK(first == Random(1, 2)());
  CHECK(first != Random(2, 2)());
  CHECK(first != Random(1, 3)());
  CHECK(first != Random(1, 2, 1)());
  static_assert(substream("shuffle", 1) != substream("shuffle", 2));
  static_assert(substream("shuffle", 1) != substream("augmentation", 1));
  static_assert(substream("", 7) == 0x811c9dc500000007);  // FNV-1a of the empty string
  static_assert(substream("a", 0) == 0xe40c292c00000000);
}

TEST_CASE("random numbers have the moments of their distribution") {
  constexpr int count = 100000;
  const double error = 4 / std::sqrt(count);  // four standard errors of a mean
  Random random(7);

  SECTION("uniform: mean 1/2, variance 1/12") {
    double sum = 0, squares = 0;
    for (int i = 0; i < count; ++i) {
      const double centred = random.uniform() - 0.5;
      REQUIRE(std::abs(centred) <= 0.5);
      sum += centred;
      squares += centred * centred;
    }
    CHECK(std::abs(sum / count) < error * std::sqrt(1.0 / 12));
    CHECK(std::abs(squares / count - 1.0 / 12) < error * std::sqrt(1.0 / 180));
  }
  SECTION("normal: mean 0, variance 1, fourth moment 3") {
    double sum = 0, squares = 0, fourths = 0;
    for (int i = 0; i < count; ++i) {
      const double x = random.normal();
      sum += x;
      squares += x * x;
      fourths += x * x * x * x;
    }
    CHECK(std::abs(sum / count) < error);
    CHECK(std::abs(squares / count - 1) < error * std::sqrt(2.0));
    CHECK(std::abs(fourths / count - 3) < error * std::sqrt(96.0));
  }
  SECTION("below: all values equally often") {
    std::array<int, 7> counts{};
    for (int i = 0; i < count; ++i) ++counts.at(random.below(7));
    for (int each : counts) CHECK(std::abs(each - count / 7.0) < 4 * std::sqrt(count / 7.0));
  }
  SECTION("works with the standard distributions") {
    std::uniform_int_distribution<int> die(1, 6);
    const int value = die(random);
    CHECK(value >= 1);
    CHECK(value <= 6);
  }
}
