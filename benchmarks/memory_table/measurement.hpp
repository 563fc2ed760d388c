// Measures what the configurations hold and how long they take.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "configurations.hpp"

namespace memory_table {

/// The extents of an image: those of CIFAR-10, and those of the paper's example.
inline constexpr retrace::Index small_extent = 32, large_extent = 240;

struct MeasureOptions {
  retrace::Index batch = 32;
  retrace::Index timed_batch = 128;
  int threads = 0;                       ///< 0: one for each processor
  int steps = 5;                         ///< timed in every mode; 0: none
  retrace::Index extent = large_extent;  ///< of the larger images
  std::size_t measured = 0;  ///< peaks of larger images are measured up to it, predicted beyond
  retrace::NetOptions size;  ///< channels and blocks in place of the paper's
};

/// One configuration on images of one size.
struct Measurement {
  Configuration configuration;
  retrace::Shape batch;
  retrace::Index parameters, widest_convolution;
  retrace::PeakMemory peak;  ///< of a step on `batch`, with parameters and optimizer
  bool peak_measured;        ///< and not predicted
  double bytes_per_pixel;    ///< by which the peak grows with the batch
  bool slope_measured;
  double prediction_error;  ///< the largest of the peaks measured, relative to them
  double fixed_workspace;   ///< bytes, whatever the batch is
  std::optional<double> step_seconds, time_vs_stored;
};

/// Every mode of an architecture, each at 32 x 32 and then on the larger images. Tells stderr how
/// it goes.
std::vector<Measurement> measure(retrace::Architecture architecture, const MeasureOptions& options);

/// Bytes per input pixel of RevNets of 1, 2, … blocks a level, in one mode.
struct DepthCurve {
  std::string_view mode;
  std::vector<double> bytes_per_pixel;
};

/// Predicted, which takes no time, at 32 x 32.
std::vector<DepthCurve> bytes_by_depth(int most_blocks, const MeasureOptions& options);

}  // namespace memory_table
