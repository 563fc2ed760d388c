// Whole files in memory, and the fields of binary formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

using FileBytes = std::vector<std::uint8_t>;

/// The size of a file.
/// @throws retrace::DataError with the file's name unless it is a regular file that is not empty.
std::uintmax_t bytes_of_file(const std::filesystem::path& path);

/// @param most  bytes that the file may have
/// @throws retrace::DataError with the file's name if it is missing, empty, no regular file, cannot
///         be read or has more bytes.
FileBytes read_file(const std::filesystem::path& path, std::uintmax_t most);

/// The most that deflate can expand a compressed byte to, with some room.
inline constexpr std::uintmax_t largest_expansion = 1100;

/// The content of a file that may be compressed by gzip.
/// @param most  bytes that the content may have
/// @throws retrace::DataError as read_file does, and if the compressed data is damaged or cut off.
FileBytes read_gzip_file(const std::filesystem::path& path, std::uintmax_t most);

/// Four bytes, the most significant one first.
constexpr std::uint32_t big_endian_32(std::span<const std::uint8_t> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}
