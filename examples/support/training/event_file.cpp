#include "event_file.hpp"

#include <array>
#include <bit>
#include <cstring>

namespace {

constexpr std::size_t before_event = 12, after_event = 4;

/// Types of fields in Protocol Buffers
enum Wire : std::uint64_t { varint = 0, eight_bytes = 1, length_delimited = 2, four_bytes = 5 };

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    table[i] = i;
    for (int bit = 0; bit < 8; ++bit)
      table[i] = (table[i] >> 1) ^ ((table[i] & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return table;
}

/// Returns the checksum of a record's part. TensorFlow changes the sum, because the sum of data
/// that contains sums is weak.
std::uint32_t masked(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + 0xA282EAD8u; }

template <class Number>
std::string little_endian(Number number) {
  static_assert(std::endian::native == std::endian::little, "event files are little-endian");
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

template <class Number>
Number read_number(std::string_view bytes) {
  Number number;
  std::memcpy(&number, bytes.data(), sizeof number);
  return number;
}

/// Seven bits a byte, the lowest first.
std::string varint_of(std::uint64_t number) {
  std::string bytes;
  for (; number >= 128; number >>= 7) bytes += static_cast<char>(number | 128);
  return bytes + static_cast<char>(number);
}

std::string key(std::uint64_t field, Wire type) { return varint_of(field << 3 | type); }

std::string delimited(std::uint64_t field, std::string_view bytes) {
  return key(field, length_delimited) + varint_of(bytes.size()) + std::string(bytes);
}

std::string framed(const std::string& event) {
  const std::string length = little_endian(std::uint64_t{event.size()});
  return length + little_endian(masked(length)) + event + little_endian(masked(event));
}

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  static constexpr auto table = make_table();
  std::uint32_t sum = ~0u;
  for (const char byte : bytes)
    sum = table[(sum ^ static_cast<unsigned char>(byte)) & 255] ^ (sum >> 8);
  return ~sum;
}

std::string version_record(double wall_time) {
  return framed(key(1, eight_bytes) + little_endian(wall_time) + delimited(3, "brain.Event:2"));
}

std::string record(const Event& event) {
  std::string summary;
  for (const Scalar& scalar : event.scalars)
    summary +=
        delimited(1, delimited(1, scalar.tag) + key(2, four_bytes) + little_endian(scalar.value));
  return framed(key(1, eight_bytes) + little_endian(event.wall_time) + key(2, varint) +
                varint_of(static_cast<std::uint64_t>(event.step)) + delimited(5, summary));
}

std::optional<std::size_t> record_length(std::string_view bytes) {
  if (bytes.size() < before_event + after_event) return {};
  const auto length = read_number<std::uint64_t>(bytes);
  if (read_number<std::uint32_t>(bytes.substr(8)) != masked(bytes.substr(0, 8))) return {};
  if (length > bytes.size() - before_event - after_event) return {};
  const std::string_view event = bytes.substr(before_event, length);
  if (read_number<std::uint32_t>(bytes.substr(before_event + length)) != masked(event)) return {};
  return before_event + length + after_event;
}

/// An event of this program starts with the time, 9 bytes, and the step, if it has one.
std::int64_t step_of_record(std::string_view bytes) {
  constexpr std::size_t time = 9;
  const auto length = read_number<std::uint64_t>(bytes);
  const std::string_view event = bytes.substr(before_event, length);
  if (event.size() <= time || event[time] != key(2, varint)[0]) return 0;
  std::uint64_t step = 0;
  for (std::size_t i = time + 1, shift = 0; i < event.size() && shift < 64; ++i, shift += 7) {
    step |= std::uint64_t{static_cast<unsigned char>(event[i]) & 127u} << shift;
    if ((event[i] & 128) == 0) break;
  }
  return static_cast<std::int64_t>(step);
}
