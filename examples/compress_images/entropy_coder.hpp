// A range coder of asymmetric numeral systems, which stores symbols in about −log2 p bits each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// The share of a symbol: the part [first, first + width) of coder_total.
struct SymbolShare {
  std::uint32_t first, width;
};
inline constexpr int coder_bits = 16;
inline constexpr std::uint32_t coder_total = 1u << coder_bits;

/// Encodes symbols with rANS (Duda 2013): a 64-bit state x ≥ 2^31 that emits words of 32 bits. It
/// stores all symbols first, because they are encoded from the last to the first.
class SymbolEncoder {
 public:
  /// @pre 0 < share.width and share.first + share.width <= coder_total.
  void add(SymbolShare share) { symbols_.push_back(share); }
  /// Adds the lowest `count` bits of a number, 16 at most, at one bit each.
  void add_bits(std::uint32_t value, int count) {
    const std::uint32_t width = coder_total >> count;
    add({value * width, width});
  }

  /// Encodes all symbols and returns the words, in the order of the decoder. Starts anew.
  std::vector<std::uint32_t> finish();

 private:
  std::vector<SymbolShare> symbols_;
};

/// Decodes the words of SymbolEncoder.
class SymbolDecoder {
 public:
  /// @param name  the file for messages
  /// @throws retrace::DataError if there are fewer than two words.
  SymbolDecoder(std::span<const std::uint32_t> words, std::string name);

  /// Returns a number below coder_total that lies in the share of the next symbol.
  std::uint32_t next() const { return static_cast<std::uint32_t>(state_ & (coder_total - 1)); }
  /// Consumes the next symbol.
  /// @throws retrace::DataError if the words end too early.
  void take(SymbolShare share);
  std::uint32_t take_bits(int count);

  /// @throws retrace::DataError unless exactly all words have been decoded.
  void end() const;

 private:
  std::span<const std::uint32_t> words_;
  std::size_t used_ = 2;
  std::uint64_t state_ = 0;
  std::string name_;
};
