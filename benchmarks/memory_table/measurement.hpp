// Measures memory and time of the configurations.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "configurations.hpp"

namespace memory_table {

/// Image extents: those of CIFAR-10, and those of the paper's example.
inline constexpr retrace::Index small_extent = 32, large_extent = 240;

struct MeasureOptions {
  retrace::Index batch = 32;
  retrace::Index timed_batch = 128;
  int threads = 0;                       ///< 0 means one per processor
  int steps = 5;                         ///< timed steps per mode; 0 means none
  retrace::Index extent = large_extent;  ///< of the larger images
  std::size_t measured = 0;              ///< measure peaks of larger images up to this size
  retrace::NetOptions size;              ///< channels and blocks that replace the paper's
};

/// The measurement of one configuration at one image size.
struct Measurement {
  Configuration configuration;
  retrace::Shape batch;
  retrace::Index parameters, widest_convolution;
  retrace::PeakMemory peak;  ///< of a step on `batch`, with parameters and optimizer
  bool peak_measured;        ///< otherwise predicted
  double bytes_per_pixel;    ///< growth of the peak with the batch
  bool slope_measured;
  double prediction_error;  ///< the largest relative error of a predicted peak
  double fixed_workspace;   ///< bytes that do not depend on the batch
  std::optional<double> step_seconds, time_vs_stored;
};

/// Measures every mode of an architecture, at 32 x 32 and then on the larger images. Prints
/// progress to stderr.
std::vector<Measurement> measure(retrace::Architecture architecture, const MeasureOptions& options);

/// Bytes per input pixel of RevNets with 1, 2, … blocks per level, in one mode.
struct DepthCurve {
  std::string_view mode;
  std::vector<double> bytes_per_pixel;
};

/// Predicts the bytes at 32 x 32, which takes almost no time.
std::vector<DepthCurve> bytes_by_depth(int most_blocks, const MeasureOptions& options);

}  // namespace memory_table
