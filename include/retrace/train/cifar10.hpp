// Reads CIFAR-10 in its binary layout.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>
#include <span>
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

/// The images of several CIFAR-10 files, in order. They are read on demand.
class Cifar10Files {
 public:
  /// @param expected_records  the number of records in each file; if omitted, any positive number.
  /// @throws DataError if a file is missing or has the wrong size.
  explicit Cifar10Files(const std::vector<std::filesystem::path>& paths,
                        std::optional<Index> expected_records = {}) {
    for (const auto& path : paths) {
      size_ += records_of(path, expected_records);
      files_.push_back({path.string(), size_, std::ifstream(path, std::ios::binary)});
    }
  }

  Index size() const { return size_; }
  /// Drops all images after the first `count`.
  void keep_first(Index count) { size_ = std::min(size_, count); }

  /// Returns the chosen images in the order of `indices`.
  /// @throws DataError if an index is out of range, a record cannot be read or its label is over 9.
  ImageSet read(std::span<const Index> indices) const {
    ImageSet set{.name = "CIFAR-10"};
    set.labels.reserve(indices.size());
    set.pixels.reserve(indices.size() * static_cast<std::size_t>(set.image_size()));
    std::array<std::uint8_t, cifar10_record_bytes> record;
    constexpr std::size_t plane = cifar10_plane_bytes;
    for (const Index index : indices) {
      read_record(index, record);
      set.labels.push_back(record[0]);
      for (std::size_t pixel = 1; pixel <= plane; ++pixel)
        for (std::size_t channel = 0; channel < 3; ++channel)
          set.pixels.push_back(record[pixel + channel * plane]);
    }
    return set;
  }

 private:
  struct File {
    std::string name;
    Index end;  ///< the index of the next file's first image
    std::ifstream stream;
  };

  static Index records_of(const std::filesystem::path& path, std::optional<Index> expected) {
    const std::string name = path.string();
    std::error_code error;
    if (!std::filesystem::exists(path, error)) throw DataError(name + ": there is no such file");
    const auto file_bytes = std::filesystem::file_size(path, error);
    if (error) throw DataError(name + ": " + error.message());

    const auto record_bytes = static_cast<std::uintmax_t>(cifar10_record_bytes);
    const std::uintmax_t count =
        expected ? static_cast<std::uintmax_t>(*expected) : file_bytes / record_bytes;
    if (file_bytes != count * record_bytes || count == 0)
      throw DataError(name + ": has " + std::to_string(file_bytes) + " bytes but should have " +
                      (expected
                           ? std::to_string(count * record_bytes) + " (" + std::to_string(count) +
                                 " records of " + std::to_string(record_bytes) + ")"
                           : "a positive multiple of " + std::to_string(record_bytes)));
    return static_cast<Index>(count);
  }

  void read_record(Index index, std::span<std::uint8_t> record) const {
    if (index < 0 || index >= size_)
      throw DataError("there is no image " + std::to_string(index) + " in files of " +
                      std::to_string(size_));
    const auto file = std::upper_bound(files_.begin(), files_.end(), index,
                                       [](Index i, const File& each) { return i < each.end; });
    const Index number = index - (file == files_.begin() ? 0 : std::prev(file)->end);
    const std::streamoff position = number * cifar10_record_bytes;
    if (file->stream.tellg() != position) file->stream.seekg(position);
    if (!file->stream.read(reinterpret_cast<char*>(record.data()), cifar10_record_bytes))
      throw DataError(file->name + ": cannot be read at record " + std::to_string(number));
    if (record[0] > 9)
      throw DataError(file->name + ": record " + std::to_string(number) + " has label " +
                      std::to_string(record[0]) + " but labels go from 0 to 9");
  }

  Index size_ = 0;
  mutable std::vector<File> files_{};  ///< mutable because reading moves the file position
};

/// Reads all images of the files into memory.
/// @throws DataError as Cifar10Files does.
inline ImageSet read_all(const Cifar10Files& files) {
  std::vector<Index> all(static_cast<std::size_t>(files.size()));
  std::iota(all.begin(), all.end(), Index{0});
  return files.read(all);
}

/// Reads all records of one file, in their order.
/// @param expected_records  the number of records in the file; if omitted, any positive number.
/// @throws DataError if the file is missing, cannot be read or has the wrong size, or if a label is
///         over 9.
inline ImageSet read_cifar10_file(const std::filesystem::path& path,
                                  std::optional<Index> expected_records = {}) {
  return read_all(Cifar10Files({path}, expected_records));
}

/// Opens the files of the 50,000 training images: data_batch_1.bin to data_batch_5.bin.
/// @throws DataError as Cifar10Files does.
inline Cifar10Files cifar10_training_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  for (char digit = '1'; digit <= '5'; ++digit)
    paths.push_back(directory / (std::string("data_batch_") + digit + ".bin"));
  return Cifar10Files(paths, cifar10_file_records);
}

/// Opens the file of the 10,000 test images: test_batch.bin.
/// @throws DataError as Cifar10Files does.
inline Cifar10Files cifar10_test_files(const std::filesystem::path& directory) {
  return Cifar10Files({directory / "test_batch.bin"}, cifar10_file_records);
}

/// Reads the training images into memory.
/// @throws DataError as read_cifar10_file does.
inline ImageSet read_cifar10_training(const std::filesystem::path& directory) {
  return read_all(cifar10_training_files(directory));
}

/// Reads the test images into memory.
/// @throws DataError as read_cifar10_file does.
inline ImageSet read_cifar10_test(const std::filesystem::path& directory) {
  return read_all(cifar10_test_files(directory));
}

}  // namespace retrace::inline RETRACE_ISA
