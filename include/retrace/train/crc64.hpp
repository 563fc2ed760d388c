// A 64-bit cyclic redundancy check that detects changed bytes.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

namespace detail {

/// crc64_tables[k][b] is the remainder of byte b followed by k zero bytes.
inline constexpr auto crc64_tables = [] {
  constexpr std::uint64_t polynomial = 0xC96C5795D7870F42;  // ECMA-182, bits reversed
  std::array<std::array<std::uint64_t, 256>, 8> tables{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::uint64_t remainder = byte;
    for (int bit = 0; bit < 8; ++bit)
      remainder = (remainder >> 1) ^ (remainder & 1 ? polynomial : 0);
    tables[0][byte] = remainder;
  }
  for (std::size_t zeros = 1; zeros < 8; ++zeros)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint64_t before = tables[zeros - 1][byte];
      tables[zeros][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  return tables;
}();

}  // namespace detail

/// Incremental CRC-64 as in xz and ECMA-182. It detects every change within 64 adjacent bits, such
/// as a changed byte, and all but one in 2^64 of the other changes.
class Crc64 {
 public:
  void add(std::span<const std::byte> bytes) {
    static_assert(std::endian::native == std::endian::little);
    const auto& tables = detail::crc64_tables;
    for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
      std::uint64_t word;
      std::memcpy(&word, bytes.data(), sizeof word);
      word ^= state_;
      state_ = 0;
      for (std::size_t i = 0; i < 8; ++i) state_ ^= tables[7 - i][(word >> (8 * i)) & 0xFF];
    }
    for (std::byte byte : bytes)
      state_ = (state_ >> 8) ^ tables[0][(state_ ^ std::to_integer<std::uint64_t>(byte)) & 0xFF];
  }
  template <class T>
  void add_values(std::span<const T> values) {
    add(std::as_bytes(values));
  }

  std::uint64_t value() const { return ~state_; }

  /// Returns the checksum as sixteen hexadecimal digits.
  std::string digits() const {
    std::string text(16, '0');
    for (std::size_t i = 0; i < 16; ++i)
      text[i] = "0123456789abcdef"[(value() >> (60 - 4 * i)) & 0xF];
    return text;
  }

 private:
  std::uint64_t state_ = ~std::uint64_t{0};
};

}  // namespace retrace::inline RETRACE_ISA
