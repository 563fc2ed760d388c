// A sequential parser for strict JSON: objects, arrays, strings and natural numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "retrace/core/error.hpp"

namespace retrace::inline RETRACE_ISA {

/// Returns whether the bytes are valid UTF-8 by RFC 3629: shortest forms, no surrogates, at most
/// U+10FFFF.
inline bool valid_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto first = static_cast<unsigned char>(text[at++]);
    if (first < 0x80) continue;
    const int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4) return false;
    std::uint32_t code = first & (0x3Fu >> more);
    for (int i = 0; i < more; ++i, ++at) {
      if (at == text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80) return false;
      code = (code << 6) | (static_cast<unsigned char>(text[at]) & 0x3Fu);
    }
    if ((more == 2 && code < 0x800) || (more == 3 && (code < 0x10000 || code > 0x10FFFF)) ||
        (code >= 0xD800 && code <= 0xDFFF))
      return false;
  }
  return true;
}

/// Returns the text in quotes, escaped for JSON.
inline std::string json_string(std::string_view text) {
  constexpr const char* digits = "0123456789abcdef";
  std::string quoted = "\"";
  for (char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\')
      quoted += {'\\', letter};
    else if (code < 0x20)
      quoted += {'\\', 'u', '0', '0', digits[code >> 4], digits[code & 0xF]};
    else
      quoted += letter;
  }
  return quoted + '"';
}

/// A position in a JSON text. Every member function reads the item it is named after, or throws
/// DataError "… at byte 12: expected ':' but found ','". All numbers must be natural. The parser
/// recurses only as deep as the user's calls.
class JsonCursor {
 public:
  /// @param name  name of the text for messages, such as "weights.safetensors: header"
  /// @throws DataError if the text is not UTF-8.
  JsonCursor(std::string name, std::string_view text) : name_(std::move(name)), text_(text) {
    if (!valid_utf8(text)) fail("the text is not UTF-8");
  }

  /// Calls member(key) for each member in turn; it must read the value. Keys must be unique.
  template <class Member>
  void object(Member member) {
    std::set<std::string> keys;
    items('{', '}', [&] {
      std::string key = string();
      expect(':');
      if (!keys.insert(key).second) fail("'" + key + "' is there twice");
      member(key);
    });
  }

  /// Calls element() for each element in turn; it must read the element.
  template <class Element>
  void array(Element element) {
    items('[', ']', element);
  }

  std::string string() {
    expect('"');
    std::string result;
    while (true) {
      const char letter = take();
      if (letter == '"') return result;
      if (static_cast<unsigned char>(letter) < 0x20) fail("a control character in a string");
      if (letter == '\\')
        append_escaped(result);
      else
        result += letter;
    }
  }

  /// @throws DataError for a sign, a fraction, an exponent, a leading zero, or overflow.
  std::uint64_t natural() {
    skip_space();
    const std::size_t start = at_;
    std::uint64_t number = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10)
        fail("a number over 18446744073709551615");
      number = 10 * number + digit;
    }
    if (at_ == start) fail("expected a natural number" + found());
    if (text_[start] == '0' && at_ > start + 1) fail("a number with a leading zero");
    return number;
  }

  /// @throws DataError unless only white space is left.
  void end() {
    skip_space();
    if (at_ < text_.size()) fail("expected the end" + found());
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(name_ + " at byte " + std::to_string(at_) + ": " + what);
  }

 private:
  template <class Item>
  void items(char open, char close, Item item) {
    expect(open);
    if (next_is(close)) return;
    do {
      item();
    } while (next_is(','));
    expect(close);
  }

  void skip_space() {
    while (at_ < text_.size() &&
           std::string_view(" \t\n\r").find(text_[at_]) != std::string_view::npos)
      ++at_;
  }
  bool next_is(char wanted) {
    skip_space();
    const bool there = at_ < text_.size() && text_[at_] == wanted;
    at_ += there;
    return there;
  }
  void expect(char wanted) {
    if (!next_is(wanted)) fail(std::string("expected '") + wanted + "'" + found());
  }
  std::string found() const {
    return at_ < text_.size() ? std::string(" but found '") + text_[at_] + "'"
                              : std::string(" but the text ends");
  }
  char take() {
    if (at_ == text_.size()) fail("the text ends within a string");
    return text_[at_++];
  }

  void append_escaped(std::string& to) {
    constexpr std::string_view letters = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
    const char letter = take();
    if (letter == 'u') return append_utf8(to, escaped_code_point());
    const std::size_t which = letters.find(letter);
    if (which == std::string_view::npos) fail("an unknown escape in a string");
    to += meanings[which];
  }
  std::uint32_t escaped_code_point() {
    const std::uint32_t first = four_digits();
    if (first < 0xD800 || first > 0xDFFF) return first;
    if (first > 0xDBFF || take() != '\\' || take() != 'u') fail("half a surrogate pair");
    const std::uint32_t second = four_digits();
    if (second < 0xDC00 || second > 0xDFFF) fail("half a surrogate pair");
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }
  std::uint32_t four_digits() {
    std::uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      constexpr std::string_view digits = "0123456789abcdef", capitals = "0123456789ABCDEF";
      const char letter = take();
      const std::size_t digit = std::min(digits.find(letter), capitals.find(letter));
      if (digit == std::string_view::npos) fail("\\u needs four hexadecimal digits");
      code = 16 * code + static_cast<std::uint32_t>(digit);
    }
    return code;
  }
  static void append_utf8(std::string& to, std::uint32_t code) {
    const int more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    constexpr std::uint32_t first[] = {0, 0xC0, 0xE0, 0xF0};
    to += static_cast<char>(first[more] | (code >> (6 * more)));
    for (int i = more; i-- > 0;) to += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
  }

  std::string name_;
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
