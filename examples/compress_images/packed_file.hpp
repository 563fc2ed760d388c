// The file format of packed images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "raw_images.hpp"

/// The contents of a packed file.
///
/// File      little-endian: "RTIMAGE1", the length of the file (8 bytes), the fields below in their
///           order, each vector with its length in 8 bytes before it, and the CRC-64 of all bytes
///           before it (8 bytes).
struct PackedFile {
  RawLayout layout;
  std::uint64_t images = 0;
  std::uint64_t images_per_block = 0;
  std::uint64_t model_checksum = 0;    ///< CRC-64 of the model's file
  std::uint64_t arithmetic = 0;        ///< CRC-64 of the model's numbers on a probe
  std::uint64_t content_checksum = 0;  ///< CRC-64 of the file that was packed
  std::vector<std::uint8_t> machine;   ///< text: the instruction set that computed them
  std::vector<std::uint8_t> model;     ///< the model's file; empty if it is a file of its own
  std::vector<std::uint8_t> others;    ///< the bytes that are not pixels
  std::vector<std::vector<std::uint32_t>> blocks;  ///< the words of each block of images
};

/// @throws std::system_error if the file cannot be written; an existing file does not change.
/// @return the bytes of the file
std::uint64_t write_packed(const std::filesystem::path& path, const PackedFile& packed);

/// Parses the bytes of a packed file. Every length is checked against the bytes that are left
/// before anything is allocated.
/// @param name  the file for messages
/// @throws retrace::DataError if the bytes are not a packed file, are cut off or damaged, or
///         contradict themselves.
PackedFile parse_packed(std::span<const std::uint8_t> bytes, const std::string& name);

PackedFile read_packed(const std::filesystem::path& path);
