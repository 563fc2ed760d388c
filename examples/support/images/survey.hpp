// Reads all samples of a set once: what is wrong, their statistics, their checksum.
#pragma once

#include <string>
#include <vector>

#include "picture_files.hpp"
#include "retrace/train/image_set.hpp"
#include "samples.hpp"

struct Survey {
  std::vector<BadSample> bad;               ///< those that cannot be read, in their order
  retrace::PixelStatistics normalisation;   ///< of the others, by channel
  std::vector<std::uint64_t> class_counts;  ///< labels of each class, of the others
  std::string checksum;                     ///< of the values and labels of the others
};

/// The same for any number of threads.
Survey survey(const Samples& samples, int threads);
