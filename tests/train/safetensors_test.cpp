// The safetensors reader and writer: a file byte by byte, and files that must be refused.
#include "retrace/train/safetensors.hpp"

#include "support/catch.hpp"
#include "support/scratch.hpp"

using namespace retrace;

namespace {

std::string length_of(std::uint64_t length) {
  const auto bytes = std::bit_cast<std::array<char, 8>>(length);
  return {bytes.begin(), bytes.end()};
}

/// A file of that header and as many bytes of data.
std::string file_of(const std::string& json, std::size_t data_bytes) {
  std::string text = length_of(json.size()) + json;
  for (std::size_t i = 0; i < data_bytes; ++i) text += static_cast<char>(i);
  return text;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return '"' + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + shape +
         R"(],"data_offsets":[)" + offsets + "]}";
}

/// What the reader says about a header of these members in front of 24 bytes.
std::string refusal(const std::string& members) {
  return complaint<DataError>([&] { parse_safetensors_header("f", '{' + members + '}', 24); });
}

}  // namespace

TEST_CASE("a header is written as the format has it") {
  const SafetensorsHeader header{{{"seed", "7"}},
                                 {{"w", "F32", {2, 3}, 0, 24}, {"step", "I64", {}, 24, 32}}};
  const std::string json =
      R"({"__metadata__":{"seed":"7"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},)"
      R"("step":{"dtype":"I64","shape":[],"data_offsets":[24,32]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  CHECK(format_safetensors_header(header) == length_of(padded.size()) + padded);
  CHECK(parse_safetensors_header("f", padded, 32) == header);
  CHECK(format_safetensors_header({}) == length_of(8) + "{}      ");
}

TEST_CASE("names and metadata of any letters survive") {
  const SafetensorsHeader header{{{"\"\\\n", "\u20ac"}}, {{"a \"b\"", "U8", {3}, 0, 3}}};
  const std::string text = format_safetensors_header(header);
  CHECK(parse_safetensors_header("f", std::string_view(text).substr(8), 3) == header);
}

TEST_CASE("a file is read tensor by tensor, in whatever order it names them") {
  const Scratch scratch;
  const auto path = scratch.write("f", file_of('{' + entry("late", "I16", "2,2", "4,12") + ',' +
                                                   entry("early", "U8", "4", "0,4") + ',' +
                                                   entry("none", "F64", "0,5", "12,12") +
                                                   R"(,"__metadata__":{"key":"value"}}  )",
                                               12));
  SafetensorsFile file(path);
  REQUIRE(file.header().tensors.size() == 3);
  CHECK(*file.header().find("key") == "value");
  CHECK(file.header().find("value") == nullptr);
  CHECK(file.find("missing") == nullptr);
  REQUIRE(file.find("late"));
  std::array<std::byte, 4> bytes{};
  file.read(*file.find("late"), 2, bytes);
  CHECK(bytes == std::array{std::byte{6}, std::byte{7}, std::byte{8}, std::byte{9}});
  CHECK_THROWS_AS(file.read(*file.find("late"), 5, bytes), DataError);
  CHECK_THROWS_AS(file.read(*file.find("early"), ~std::uint64_t{0}, bytes), DataError);
}

TEST_CASE("headers that the file does not bear out are refused") {
  const std::string a = entry("a", "F32", "2,3", "0,24");
  REQUIRE(refusal(a) == "");
  CHECK_THAT(refusal(a + ',' + a), containing("'a' is there twice"));
  CHECK_THAT(refusal(entry("a", "F32", "2,2", "0,24")),
             containing("has 24 bytes, but its shape needs 16"));
  CHECK_THAT(refusal(entry("a", "F32", "2,2", "0,16")), containing("but the file has 24"));
  CHECK_THAT(refusal(entry("a", "F32", "7", "0,28")), containing("but the file has 24"));
  CHECK_THAT(refusal(entry("a", "F32", "5", "4,24")), containing("the one before it ends at 0"));
  CHECK_THAT(refusal(entry("a", "F32", "4", "0,16") + ',' + entry("b", "F32", "4", "8,24")),
             containing("'b' is at bytes 8 to 24, but the one before it ends at 16"));
  CHECK_THAT(refusal(entry("a", "F32", "2", "0,8") + ',' + entry("b", "F32", "2", "16,24")),
             containing("the one before it ends at 8"));
  CHECK_THAT(refusal(entry("a", "F32", "4", "0,16") + ',' + entry("b", "F32", "4", "24,8")),
             containing("but the one before it ends at 16"));
  CHECK_THAT(refusal(entry("a", "F31", "2,3", "0,24")), containing("dtype 'F31' is not known"));
  // 2^62 elements of 4 bytes are 2^64 bytes, which is 0 where it wraps.
  CHECK_THAT(refusal(a + ',' + entry("b", "F32", "4611686018427387904", "24,24")),
             containing("'b' is larger than any file"));
  CHECK_THAT(refusal(a + ',' + entry("b", "F32", "2147483648,2147483648,0,9", "24,24")),
             containing("'b' is larger than any file"));
}

TEST_CASE("headers that are not as the format has them are refused") {
  CHECK_THAT(refusal(R"("a":{"dtype":"F32","shape":[6]})"), containing("lacks"));
  CHECK_THAT(refusal(R"("a":{"dtype":"F32","shape":[6],"data_offsets":[0]})"),
             containing("are not two numbers"));
  CHECK_THAT(refusal(R"("a":{"dtype":"F32","shape":[6],"data_offsets":[0,12,24]})"),
             containing("are not two numbers"));
  CHECK_THAT(refusal(R"("a":{"dtype":"F32","shape":[6],"data_offsets":[0,24],"x":1})"),
             containing("unknown member 'x'"));
  CHECK_THAT(refusal(R"("a":{"dtype":"F32","dtype":"F32","shape":[6],"data_offsets":[0,24]})"),
             containing("'dtype' is there twice"));
  CHECK(refusal(R"("a":{"dtype":"F32","shape":[-6],"data_offsets":[0,24]})") != "");
  CHECK(refusal(R"("a":{"dtype":"F32","shape":[6.0],"data_offsets":[0,24]})") != "");
  CHECK(refusal(R"("a":{"dtype":4,"shape":[6],"data_offsets":[0,24]})") != "");
  CHECK(refusal(R"("a":null)") != "");
  CHECK(refusal(R"("__metadata__":{"a":1})") != "");
  CHECK(refusal(R"("__metadata__":{},"__metadata__":{})") != "");
  CHECK_THROWS_AS(parse_safetensors_header("f", " {}", 0), DataError);
  CHECK_THROWS_AS(parse_safetensors_header("f", "", 0), DataError);
}

TEST_CASE("a header length that is not borne out costs no memory") {
  const Scratch scratch;
  for (std::uint64_t length : {std::uint64_t{9}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    const auto path = scratch.write("f", length_of(length) + "{}      ");
    CHECK_THAT(complaint<DataError>([&] { SafetensorsFile file(path); }),
               containing(std::to_string(length) + " bytes, but the file has 16"));
  }
}

TEST_CASE("a file cut off anywhere is refused, and so is what is no file") {
  const Scratch scratch;
  const std::string whole =
      file_of('{' + entry("a", "U8", "9", "0,9") + ',' + entry("b", "U8", "2", "9,11") + '}', 11);
  SafetensorsFile(scratch.write("f", whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    const auto path = scratch.write("f", whole.substr(0, length));
    CHECK_THROWS_AS(SafetensorsFile(path), DataError);
  }
  CHECK_THROWS_AS(SafetensorsFile(scratch.write("f", whole + '\0')), DataError);
  CHECK_THROWS_AS(SafetensorsFile(scratch.directory), DataError);
  CHECK_THAT(complaint<DataError>([&] { SafetensorsFile(scratch.directory / "none"); }),
             containing("there is no such file"));
}
