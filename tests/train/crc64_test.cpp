// The checksum against its published value, in pieces, and on every flipped byte.
#include "retrace/train/crc64.hpp"

#include <string_view>

#include "support/catch.hpp"

using namespace retrace;

namespace {

std::string digits_of(std::string_view text) {
  Crc64 sum;
  sum.add(std::as_bytes(std::span(text)));
  return sum.digits();
}

}  // namespace

TEST_CASE("CRC-64 has the check value of its catalogue entry, CRC-64/XZ") {
  CHECK(digits_of("123456789") == "995dc9bbdf1939fa");
  CHECK(digits_of("") == "0000000000000000");
}

TEST_CASE("CRC-64 does not depend on the pieces it is fed") {
  std::string text;
  for (int i = 0; i < 300; ++i) text += static_cast<char>(i * i + i / 7);
  for (std::size_t cut : {0u, 1u, 7u, 8u, 9u, 150u, 299u, 300u}) {
    CAPTURE(cut);
    Crc64 sum;
    sum.add(std::as_bytes(std::span(text).first(cut)));
    sum.add(std::as_bytes(std::span(text).subspan(cut)));
    CHECK(sum.digits() == digits_of(text));
  }
}

TEST_CASE("CRC-64 sees every change of one byte, and bytes that change places") {
  std::string text(61, 'a');
  const std::string before = digits_of(text);
  int missed = 0;
  for (std::size_t at = 0; at < text.size(); ++at)
    for (int flip = 1; flip < 256; ++flip) {
      text[at] = static_cast<char>(text[at] ^ flip);
      missed += digits_of(text) == before;
      text[at] = static_cast<char>(text[at] ^ flip);
    }
  CHECK(missed == 0);
  CHECK(digits_of("ab") != digits_of("ba"));
  CHECK(digits_of("a") != digits_of(std::string_view("\0a", 2)));
}
