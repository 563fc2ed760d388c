// Philox4x32-10: random numbers as a pure function of a counter and a key.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numbers>
#include <string_view>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

/// Returns four independent, uniformly distributed words for a counter and a key: ten rounds of
/// Philox.
///
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
constexpr PhiloxCounter philox(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

/// Converts a 64-bit seed to a key.
constexpr PhiloxKey philox_key(std::uint64_t seed) {
  return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
}

/// Converts a word to a number in [0, 1), a multiple of 2^-24.
constexpr float uniform(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24f; }

/// Converts two words to a number in [0, 1), a multiple of 2^-53.
constexpr double uniform(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high} << 32) | low;
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

/// Converts a word to an integer in [0, n), or 0 if n is 0. The probabilities of two values differ
/// by at most 2^-32.
constexpr std::uint32_t below(std::uint32_t word, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{word} * n) >> 32);
}

/// Converts four words to two independent standard normal numbers (Box and Muller, 1958). The last
/// bits depend on the system's log, sin and cos.
inline std::array<double, 2> standard_normal(const PhiloxCounter& words) {
  const double radius = std::sqrt(-2 * std::log1p(-uniform(words[0], words[1])));
  const double angle = 2 * std::numbers::pi * uniform(words[2], words[3]);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

/// Returns the number of a random stream, so that no two purposes share one: substream("shuffle",
/// epoch). The upper half is the 32-bit FNV-1a hash of the purpose; the lower half is the number.
constexpr std::uint64_t substream(std::string_view purpose, std::uint32_t number = 0) {
  std::uint32_t hash = 2166136261u;
  for (char letter : purpose) hash = (hash ^ static_cast<unsigned char>(letter)) * 16777619u;
  return (std::uint64_t{hash} << 32) | number;
}

/// A sequence of random numbers: the words of blocks `block`, `block` + 1, … of one random stream
/// of a seed, four words per block. A UniformRandomBitGenerator.
class Random {
 public:
  using result_type = std::uint32_t;

  constexpr explicit Random(std::uint64_t seed, std::uint64_t stream = 0, std::uint64_t block = 0)
      : key_(philox_key(seed)), stream_(philox_key(stream)), block_(block) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }

  /// Returns the next word.
  constexpr result_type operator()() {
    if (used_ == words_.size()) refill();
    return words_[used_++];
  }

  /// Returns an integer in [0, n). Uses one word.
  constexpr std::uint32_t below(std::uint32_t n) { return retrace::below((*this)(), n); }

  /// Returns a number in [0, 1), a multiple of 2^-53. Uses two words.
  constexpr double uniform() {
    const std::uint32_t high = (*this)();
    return retrace::uniform(high, (*this)());
  }
  /// Returns a number in [low, high), up to rounding.
  constexpr double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Returns a standard normal number. Uses four words.
  double normal() {
    PhiloxCounter words{};
    for (std::uint32_t& word : words) word = (*this)();
    return standard_normal(words)[0];
  }

 private:
  constexpr void refill() {
    const PhiloxKey block = philox_key(block_++);
    words_ = philox({block[0], block[1], stream_[0], stream_[1]}, key_);
    used_ = 0;
  }

  PhiloxKey key_, stream_;
  std::uint64_t block_;
  PhiloxCounter words_{};
  std::size_t used_ = 4;
};

}  // namespace retrace::inline RETRACE_ISA
