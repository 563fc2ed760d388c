// Whole files in memory, and the fields of binary formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

using FileBytes = std::vector<std::uint8_t>;

/// Returns the size of a file.
/// @throws retrace::DataError unless it is a regular file that is not empty. The message names the
///         file.
std::uintmax_t bytes_of_file(const std::filesystem::path& path);

/// Reads a whole file.
/// @param most  the largest number of bytes allowed
/// @throws retrace::DataError if the file is missing, empty, not a regular file, unreadable or too
///         large. The message names the file.
FileBytes read_file(const std::filesystem::path& path, std::uintmax_t most);

/// The largest expansion of a compressed byte by deflate, with some margin.
inline constexpr std::uintmax_t largest_expansion = 1100;

/// Reads a file that may be compressed by gzip, and returns its content.
/// @param most  the largest number of content bytes allowed
/// @throws retrace::DataError as read_file does, and if the compressed data is damaged or cut off.
FileBytes read_gzip_file(const std::filesystem::path& path, std::uintmax_t most);

/// Decodes four bytes, the most significant one first.
constexpr std::uint32_t big_endian_32(std::span<const std::uint8_t> bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | std::uint32_t{bytes[3]};
}
