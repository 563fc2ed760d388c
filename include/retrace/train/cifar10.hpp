// Reads CIFAR-10 in its binary layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/core/shape.hpp"
#include "retrace/train/image_set.hpp"

namespace retrace::inline RETRACE_ISA {

/// A record: one byte for the label, then the red, the green and the blue plane of 32x32 bytes.
inline constexpr Index cifar10_plane_bytes = 32 * 32;
inline constexpr Index cifar10_record_bytes = 1 + 3 * cifar10_plane_bytes;
inline constexpr Index cifar10_file_records = 10000;

/// All records of one file, in their order.
/// @param expected_records how many the file has to hold; any number but none if left out.
/// @throws DataError if the file is missing or cannot be read, has not the size it should have, or
///         holds a label over 9.
inline ImageSet read_cifar10_file(const std::filesystem::path& path,
                                  std::optional<Index> expected_records = {}) {
  const std::string name = path.string();
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw DataError(name + ": there is no such file");
  const auto file_bytes = std::filesystem::file_size(path, error);
  if (error) throw DataError(name + ": " + error.message());

  const auto record_bytes = static_cast<std::uintmax_t>(cifar10_record_bytes);
  const std::uintmax_t count =
      expected_records ? static_cast<std::uintmax_t>(*expected_records) : file_bytes / record_bytes;
  if (file_bytes != count * record_bytes || count == 0)
    throw DataError(name + ": has " + std::to_string(file_bytes) + " bytes but should have " +
                    (expected_records
                         ? std::to_string(count * record_bytes) + " (" + std::to_string(count) +
                               " records of " + std::to_string(record_bytes) + ")"
                         : "a positive multiple of " + std::to_string(record_bytes)));

  ImageSet set{.name = "CIFAR-10"};
  set.labels.resize(count);
  set.pixels.resize(count * (record_bytes - 1));
  std::ifstream file(path, std::ios::binary);
  std::vector<std::uint8_t> record(record_bytes);
  auto pixel = set.pixels.begin();
  for (std::size_t index = 0; index < count; ++index) {
    if (!file.read(reinterpret_cast<char*>(record.data()), cifar10_record_bytes))
      throw DataError(name + ": cannot be read at record " + std::to_string(index));
    if (record[0] > 9)
      throw DataError(name + ": record " + std::to_string(index) + " has label " +
                      std::to_string(record[0]) + " but labels go from 0 to 9");
    set.labels[index] = record[0];
    for (auto red = record.begin() + 1; red != record.begin() + 1 + cifar10_plane_bytes; ++red)
      for (Index channel = 0; channel < 3; ++channel) *pixel++ = red[channel * cifar10_plane_bytes];
  }
  return set;
}

/// The 50,000 training images: data_batch_1.bin to data_batch_5.bin.
/// @throws DataError as read_cifar10_file does.
inline ImageSet read_cifar10_training(const std::filesystem::path& directory) {
  ImageSet all{.name = "CIFAR-10"};
  for (char digit = '1'; digit <= '5'; ++digit) {
    const ImageSet part = read_cifar10_file(
        directory / (std::string("data_batch_") + digit + ".bin"), cifar10_file_records);
    all.labels.insert(all.labels.end(), part.labels.begin(), part.labels.end());
    all.pixels.insert(all.pixels.end(), part.pixels.begin(), part.pixels.end());
  }
  return all;
}

/// The 10,000 test images: test_batch.bin.
/// @throws DataError as read_cifar10_file does.
inline ImageSet read_cifar10_test(const std::filesystem::path& directory) {
  return read_cifar10_file(directory / "test_batch.bin", cifar10_file_records);
}

}  // namespace retrace::inline RETRACE_ISA
