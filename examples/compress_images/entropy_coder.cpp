#include "entropy_coder.hpp"

#include <algorithm>

#include "retrace/core/error.hpp"

namespace {

constexpr std::uint64_t lowest_state = std::uint64_t{1} << 31;

}  // namespace

std::vector<std::uint32_t> SymbolEncoder::finish() {
  std::vector<std::uint32_t> words;
  std::uint64_t state = lowest_state;
  for (std::size_t i = symbols_.size(); i-- > 0;) {
    const auto [first, width] = symbols_[i];
    if (state >= (((lowest_state >> coder_bits) << 32) * width)) {
      words.push_back(static_cast<std::uint32_t>(state));
      state >>= 32;
    }
    state = ((state / width) << coder_bits) + state % width + first;
  }
  words.push_back(static_cast<std::uint32_t>(state));
  words.push_back(static_cast<std::uint32_t>(state >> 32));
  std::reverse(words.begin(), words.end());
  symbols_.clear();
  return words;
}

SymbolDecoder::SymbolDecoder(std::span<const std::uint32_t> words, std::string name)
    : words_(words), name_(std::move(name)) {
  if (words.size() < 2) throw retrace::DataError(name_ + ": a block of images has no state");
  state_ = std::uint64_t{words[0]} << 32 | words[1];
}

void SymbolDecoder::take(SymbolShare share) {
  state_ = share.width * (state_ >> coder_bits) + next() - share.first;
  if (state_ >= lowest_state) return;
  if (used_ == words_.size())
    throw retrace::DataError(name_ +
                             ": a block of images ends too early: it is damaged, or this "
                             "machine computes other numbers than the one that packed it");
  state_ = state_ << 32 | words_[used_++];
}

std::uint32_t SymbolDecoder::take_bits(int count) {
  const int shift = coder_bits - count;
  const std::uint32_t value = next() >> shift;
  take({value << shift, coder_total >> count});
  return value;
}

void SymbolDecoder::end() const {
  if (used_ != words_.size() || state_ != lowest_state)
    throw retrace::DataError(name_ +
                             ": a block of images has bytes after its last symbol: it is "
                             "damaged, or this machine computes other numbers than the one that "
                             "packed it");
}
