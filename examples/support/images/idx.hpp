// IDX files: MNIST, Fashion-MNIST and data sets like them.
#pragma once

#include <filesystem>

#include "samples.hpp"

/// Images of bytes, [N, height, width] or [N, height, width, channels] with 1 or 3 channels, and
/// labels of bytes, [N]. Either file may be compressed by gzip.
/// @throws retrace::DataError with the file's name if it is missing, damaged or cut off, holds
/// other
///         types or extents, or if the two have different numbers of samples.
std::shared_ptr<const Samples> read_idx(const std::filesystem::path& images,
                                        const std::filesystem::path& labels);
