// Reads all samples of a set once, and collects faults, statistics and a checksum.
#pragma once

#include <string>
#include <vector>

#include "picture_files.hpp"
#include "retrace/train/image_set.hpp"
#include "samples.hpp"

struct Survey {
  std::vector<BadSample> bad;               ///< unreadable samples in order
  retrace::PixelStatistics normalisation;   ///< normalisation of the other samples, by channel
  std::vector<std::uint64_t> class_counts;  ///< labels per class in the other samples
  std::string checksum;                     ///< checksum of the other samples and their labels
};

/// Surveys the samples. The result does not depend on the number of threads.
Survey survey(const Samples& samples, int threads);
