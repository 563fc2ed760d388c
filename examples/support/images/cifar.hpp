// CIFAR-10 and CIFAR-100 in their binary layouts.
#pragma once

#include <filesystem>

#include "samples.hpp"

/// The layout of a record: the labels, then the red, green and blue planes of 32x32 bytes. A file
/// may contain any number of records.
struct CifarLayout {
  retrace::Index labels;  ///< bytes of labels, the last of which is the class
  std::int32_t classes;
};
inline constexpr CifarLayout cifar10{1, 10}, cifar100{2, 100};

/// Returns the records of the files in order.
/// @param in_files  leaves the records in their files to save memory
/// @throws retrace::DataError if a file is missing, cannot be read, ends within a record or has an
///         invalid label. The message names the file.
std::shared_ptr<const Samples> read_cifar(const std::vector<std::filesystem::path>& files,
                                          CifarLayout layout, bool in_files = false);
