// Strict JSON: what is read, and what is refused at which byte.
#include "retrace/train/json_cursor.hpp"

#include <vector>

#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace retrace;

namespace {

std::string read_string(std::string_view text) {
  JsonCursor json("text", text);
  std::string value = json.string();
  json.end();
  return value;
}

std::uint64_t read_natural(std::string_view text) {
  JsonCursor json("text", text);
  const std::uint64_t value = json.natural();
  json.end();
  return value;
}

}  // namespace

TEST_CASE("strings are read with their escapes") {
  CHECK(read_string(R"("plain")") == "plain");
  CHECK(read_string(R"( "" )") == "");
  CHECK(read_string(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  CHECK(read_string(R"("\u0041\u00e9\u20AC\ud83d\ude00")") == "A\u00e9\u20ac\U0001f600");
  CHECK(read_string("\"\u00e9\u20ac\U0001f600\"") == "\u00e9\u20ac\U0001f600");
  CHECK(read_string(R"("\u0000")") == std::string(1, '\0'));
}

TEST_CASE("a string that is written is read again") {
  for (std::string_view text : {"", "a.b", "\"\\\n\x01\x1f", "\u20ac"})
    CHECK(read_string(json_string(text)) == text);
}

TEST_CASE("strings that are none are refused") {
  for (const char* text :
       {"\"open", "\"", "\"a\nb\"", R"("\x41")", R"("\u12")", R"("\u12g4")", R"("\ud800")",
        R"("\ud800\u0041")", R"("\udc00")", R"("\ud800x")", "'a'", "a", "", "\"a\"b"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_string(text), DataError);
  }
}

TEST_CASE("only the shortest forms of Unicode's characters are UTF-8") {
  CHECK(valid_utf8("\u007f\u0080\u07ff\u0800\ud7ff\uffff\U00010000\U0010ffff"));
  for (const char* text :
       {"\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe2\x82", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1"}) {
    CAPTURE(text);
    CHECK_FALSE(valid_utf8(text));
    CHECK_THROWS_AS(JsonCursor("text", text), DataError);
  }
}

TEST_CASE("natural numbers up to 2^64 - 1 are read, and no others") {
  CHECK(read_natural("0") == 0);
  CHECK(read_natural(" 907 ") == 907);
  CHECK(read_natural("18446744073709551615") == 18446744073709551615u);
  for (const char* text : {"18446744073709551616", "99999999999999999999999", "-1", "+1", "01",
                           "1.0", "1e3", "", "x", "0x10"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(read_natural(text), DataError);
  }
}

TEST_CASE("objects and arrays hand on their members one by one") {
  JsonCursor json("text", R"( { "a" : [ 1 , 2,3 ] , "b":[], "c" : {} } )");
  std::string keys;
  std::vector<std::uint64_t> numbers;
  json.object([&](const std::string& key) {
    keys += key;
    if (key == "c")
      json.object([&](const std::string&) { FAIL("an empty object has no member"); });
    else
      json.array([&] { numbers.push_back(json.natural()); });
  });
  json.end();
  CHECK(keys == "abc");
  CHECK(numbers == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("what is wrong is named with its byte") {
  const auto read = [](std::string_view text) {
    return complaint<DataError>([&] {
      JsonCursor json("file: header", text);
      json.object([&](const std::string&) { json.natural(); });
      json.end();
    });
  };
  CHECK(read(R"({"a":1,"b":2})") == "");
  CHECK(read(R"({"a" 1})") == "file: header at byte 5: expected ':' but found '1'");
  CHECK(read(R"({"a":1)") == "file: header at byte 6: expected '}' but the text ends");
  CHECK(read(R"({"a":1,"a":2})") == "file: header at byte 11: 'a' is there twice");
  CHECK(read(R"({"a":1,})") != "");
  CHECK(read(R"({,"a":1})") != "");
  CHECK(read(R"({"a":1 "b":2})") != "");
  CHECK(read(R"({"a":1} x)") != "");
  CHECK(read(R"({a:1})") != "");
}
