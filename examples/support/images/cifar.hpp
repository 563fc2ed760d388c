// CIFAR-10 and CIFAR-100 in their binary layouts.
#pragma once

#include <filesystem>

#include "samples.hpp"

/// A record: the labels, then the red, the green and the blue plane of 32x32 bytes. One file may
/// hold any number of records.
struct CifarLayout {
  retrace::Index labels;  ///< bytes of labels, of which the last is the class
  std::int32_t classes;
};
inline constexpr CifarLayout cifar10{1, 10}, cifar100{2, 100};

/// The records of the files, one file after the other.
/// @param in_files  leaves them in their files, out of memory
/// @throws retrace::DataError with the file's name if it is missing, cannot be read, has not the
///         size of whole records or a label that is none.
std::shared_ptr<const Samples> read_cifar(const std::vector<std::filesystem::path>& files,
                                          CifarLayout layout, bool in_files = false);
