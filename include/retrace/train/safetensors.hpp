// The safetensors format: a JSON header with the offsets of named tensors, then their data.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "retrace/train/json_cursor.hpp"

namespace retrace::inline RETRACE_ISA {

static_assert(std::endian::native == std::endian::little, "safetensors is little-endian");

/// One tensor of a file. Its elements are contiguous, with the last axis innermost.
struct TensorEntry {
  std::string name, dtype;  ///< dtype: "F32", "BF16", "I64", …
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;  ///< offsets of its bytes from the end of the header

  bool operator==(const TensorEntry&) const = default;
};

/// The header of a file, with entries in the order of the file.
///
/// File      the length of the header in 8 bytes, the header, and the tensors without gaps. The
///           header is padded with spaces to a multiple of 8 bytes:
///           {"__metadata__":{"key":"value"},"name":{"dtype":"F32","shape":[2,3],
///           "data_offsets":[0,24]}}
/// Source    https://huggingface.co/docs/safetensors, "Format".
struct SafetensorsHeader {
  using Metadata = std::vector<std::pair<std::string, std::string>>;

  Metadata metadata;
  std::vector<TensorEntry> tensors;

  /// Returns the metadata under the key, or null.
  const std::string* find(std::string_view key) const {
    const auto found = std::find_if(metadata.begin(), metadata.end(),
                                    [&](const auto& entry) { return entry.first == key; });
    return found == metadata.end() ? nullptr : &found->second;
  }

  bool operator==(const SafetensorsHeader&) const = default;
};

/// The longest header that the reference implementation accepts.
inline constexpr std::uint64_t safetensors_longest_header = 100'000'000;

/// Returns the bytes of one element.
/// @throws DataError if there is no such dtype.
inline std::uint64_t dtype_bytes(std::string_view dtype) {
  using Entry = std::pair<std::string_view, std::uint64_t>;
  constexpr std::array<Entry, 15> dtypes{{{"BOOL", 1},
                                          {"U8", 1},
                                          {"I8", 1},
                                          {"F8_E5M2", 1},
                                          {"F8_E4M3", 1},
                                          {"I16", 2},
                                          {"U16", 2},
                                          {"F16", 2},
                                          {"BF16", 2},
                                          {"I32", 4},
                                          {"U32", 4},
                                          {"F32", 4},
                                          {"I64", 8},
                                          {"U64", 8},
                                          {"F64", 8}}};
  for (const auto& [name, bytes] : dtypes)
    if (name == dtype) return bytes;
  throw DataError("dtype '" + std::string(dtype) + "' is not known");
}

/// Returns the bytes of a tensor.
/// @throws DataError if the dtype is unknown or the size exceeds 2^64 - 1.
inline std::uint64_t tensor_bytes(const TensorEntry& tensor) {
  std::uint64_t bytes = dtype_bytes(tensor.dtype);
  for (std::uint64_t extent : tensor.shape) {
    if (extent != 0 && bytes > std::numeric_limits<std::uint64_t>::max() / extent)
      throw DataError("tensor '" + tensor.name + "' is larger than any file");
    bytes *= extent;
  }
  return bytes;
}

namespace detail {

inline TensorEntry parse_tensor(JsonCursor& json, const std::string& name) {
  TensorEntry tensor{.name = name, .dtype = {}, .shape = {}};
  int members = 0;
  json.object([&](const std::string& key) {
    ++members;
    if (key == "dtype") {
      tensor.dtype = json.string();
    } else if (key == "shape") {
      json.array([&] { tensor.shape.push_back(json.natural()); });
    } else if (key == "data_offsets") {
      std::vector<std::uint64_t> offsets;
      json.array([&] { offsets.push_back(json.natural()); });
      if (offsets.size() != 2) json.fail("data_offsets of '" + name + "' are not two numbers");
      tensor.begin = offsets[0];
      tensor.end = offsets[1];
    } else {
      json.fail("'" + name + "' has an unknown member '" + key + "'");
    }
  });
  if (members != 3) json.fail("'" + name + "' lacks dtype, shape or data_offsets");
  return tensor;
}

/// Throws unless the bytes of every tensor match its dtype and shape, and the tensors cover the
/// data exactly.
inline void require_whole(const SafetensorsHeader& header, std::uint64_t data_bytes) {
  std::vector<const TensorEntry*> sorted;
  for (const TensorEntry& tensor : header.tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
  });
  std::uint64_t end = 0;
  for (const TensorEntry* tensor : sorted) {
    if (tensor->begin != end || tensor->end < tensor->begin)
      throw DataError("tensor '" + tensor->name + "' is at bytes " + std::to_string(tensor->begin) +
                      " to " + std::to_string(tensor->end) + ", but the one before it ends at " +
                      std::to_string(end));
    if (const std::uint64_t bytes = tensor_bytes(*tensor); tensor->end - tensor->begin != bytes)
      throw DataError("tensor '" + tensor->name + "' has " +
                      std::to_string(tensor->end - tensor->begin) + " bytes, but its shape needs " +
                      std::to_string(bytes));
    end = tensor->end;
  }
  if (end != data_bytes)
    throw DataError("the tensors have " + std::to_string(end) + " bytes, but the file has " +
                    std::to_string(data_bytes) + " behind its header");
}

}  // namespace detail

/// Parses and validates a header.
/// @param json        the header without its length.
/// @param data_bytes  the number of bytes that follow it in the file.
/// @throws DataError if the header violates the format: duplicate names, or tensors that overlap,
///         leave gaps, or do not match their shape or the file.
inline SafetensorsHeader parse_safetensors_header(const std::string& name, std::string_view json,
                                                  std::uint64_t data_bytes) {
  JsonCursor cursor(name + ": header", json);
  if (!json.starts_with('{')) cursor.fail("a header starts with '{'");
  SafetensorsHeader header;
  cursor.object([&](const std::string& key) {
    if (key != "__metadata__")
      header.tensors.push_back(detail::parse_tensor(cursor, key));
    else
      cursor.object(
          [&](const std::string& entry) { header.metadata.emplace_back(entry, cursor.string()); });
  });
  cursor.end();
  try {
    detail::require_whole(header, data_bytes);
  } catch (const DataError& error) {
    throw DataError(name + ": " + error.what());
  }
  return header;
}

namespace detail {

/// Joins the texts of the items with a separator.
template <class Items, class Text>
std::string join(const Items& items, const char* separator, Text text_of) {
  std::string text;
  const char* before = "";
  for (const auto& item : items) {
    text += before;
    text += text_of(item);
    before = separator;
  }
  return text;
}
inline std::string join(const std::vector<std::uint64_t>& numbers, const char* separator) {
  return join(numbers, separator, [](std::uint64_t number) { return std::to_string(number); });
}

}  // namespace detail

/// Returns the beginning of a file, up to its tensors.
inline std::string format_safetensors_header(const SafetensorsHeader& header) {
  std::vector<std::string> members;
  if (!header.metadata.empty())
    members.push_back("\"__metadata__\":{" +
                      detail::join(header.metadata, ",",
                                   [](const auto& entry) {
                                     return json_string(entry.first) + ':' +
                                            json_string(entry.second);
                                   }) +
                      '}');
  for (const TensorEntry& tensor : header.tensors)
    members.push_back(json_string(tensor.name) + ":{\"dtype\":" + json_string(tensor.dtype) +
                      ",\"shape\":[" + detail::join(tensor.shape, ",") + "],\"data_offsets\":[" +
                      std::to_string(tensor.begin) + ',' + std::to_string(tensor.end) + "]}");
  std::string json = '{' + detail::join(members, ",", [](const auto& text) { return text; }) + '}';
  json.resize((json.size() + 7) / 8 * 8, ' ');
  const auto length = std::bit_cast<std::array<char, 8>>(std::uint64_t{json.size()});
  return std::string(length.begin(), length.end()) + json;
}

/// An open file whose header has been validated against its length.
class SafetensorsFile {
 public:
  /// @throws DataError if the file is invalid; the message names the file and the fault.
  explicit SafetensorsFile(const std::filesystem::path& path) : name_(path.string()) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) throw DataError(name_ + ": there is no such file");
    if (!std::filesystem::is_regular_file(path, error)) throw DataError(name_ + ": is not a file");
    bytes_ = std::filesystem::file_size(path, error);
    if (error) throw DataError(name_ + ": " + error.message());
    file_.open(path, std::ios::binary);
    if (!file_) throw DataError(name_ + ": cannot be opened");
    read_header();
  }

  const std::string& name() const { return name_; }
  const SafetensorsHeader& header() const { return header_; }
  std::uint64_t bytes() const { return bytes_; }

  /// Returns the tensor with the given name, or null.
  const TensorEntry* find(const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() ? nullptr : &header_.tensors[found->second];
  }

  /// Reads bytes of a tensor, starting at `offset`.
  /// @throws DataError if the tensor has too few bytes or the file cannot be read.
  void read(const TensorEntry& tensor, std::uint64_t offset, std::span<std::byte> to) {
    const std::uint64_t size = tensor.end - tensor.begin;
    if (offset > size || to.size() > size - offset)
      throw DataError(name_ + ": tensor '" + tensor.name + "' has " + std::to_string(size) +
                      " bytes");
    read_at(data_ + tensor.begin + offset, to);
  }

  /// Reads bytes at any position of the file.
  void read_at(std::uint64_t position, std::span<std::byte> to) {
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(position));
    if (!file_.read(reinterpret_cast<char*>(to.data()), static_cast<std::streamsize>(to.size())))
      throw DataError(name_ + ": cannot be read at byte " + std::to_string(position));
  }

 private:
  void read_header() {
    std::uint64_t length = 0;
    if (bytes_ < sizeof length)
      throw DataError(name_ + ": has " + std::to_string(bytes_) +
                      " bytes, too few for a safetensors file");
    read_at(0, std::as_writable_bytes(std::span(&length, 1)));
    if (length > bytes_ - sizeof length || length > safetensors_longest_header)
      throw DataError(name_ + ": the header should have " + std::to_string(length) +
                      " bytes, but the file has " + std::to_string(bytes_) +
                      ": truncated, or no safetensors file");
    std::string json(static_cast<std::size_t>(length), '\0');
    read_at(sizeof length, std::as_writable_bytes(std::span(json)));
    data_ = sizeof length + length;
    header_ = parse_safetensors_header(name_, json, bytes_ - data_);
    for (std::size_t i = 0; i < header_.tensors.size(); ++i)
      index_.emplace(header_.tensors[i].name, i);
  }

  std::string name_;
  std::ifstream file_;
  std::uint64_t bytes_ = 0, data_ = 0;
  SafetensorsHeader header_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace retrace::inline RETRACE_ISA
