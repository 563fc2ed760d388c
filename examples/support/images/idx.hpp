// IDX files: MNIST, Fashion-MNIST and data sets like them.
#pragma once

#include <filesystem>

#include "samples.hpp"

/// Reads images [N, height, width] or [N, height, width, channels] with 1 or 3 channels, and labels
/// [N], all of bytes. Either file may be compressed by gzip.
/// @throws retrace::DataError if a file is missing, damaged or cut off, if it has other types or
///         extents, or if the files have different numbers of samples. The message names the file.
std::shared_ptr<const Samples> read_idx(const std::filesystem::path& images,
                                        const std::filesystem::path& labels);
