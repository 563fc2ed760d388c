// The bytes of TensorBoard's event files: records with checksums, each of which is one event.
//
// A record is its length, a checksum of the length, the event and a checksum of the event. An event
// is a message of Protocol Buffers: 1 the time, 2 the step, 3 the version (first record only), 5
// the summary, a list of values that have a tag (1) and a number (2). Source:
// tensorflow/core/lib/io/record_writer.cc and tensorflow/core/util/event.proto.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A number at a step, such as {"loss", 0.31}.
struct Scalar {
  std::string tag;
  float value;
};

struct Event {
  double wall_time = 0;  ///< seconds since 1970
  std::int64_t step = 0;
  std::vector<Scalar> scalars;
};

/// Returns the CRC-32C (Castagnoli) of a text: 0xE3069283 for "123456789".
std::uint32_t crc32c(std::string_view bytes);

/// Returns the first record of a file, which has its version.
std::string version_record(double wall_time);

/// Returns an event as a record.
std::string record(const Event& event);

/// Returns the length of the record at the start of the bytes; std::nullopt if it is not complete
/// or has a wrong checksum.
std::optional<std::size_t> record_length(std::string_view bytes);

/// Returns the step of the record at the start of the bytes; 0 if it has none.
/// @param bytes  start with a complete record
std::int64_t step_of_record(std::string_view bytes);
