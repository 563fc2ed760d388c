// The configurations that are compared: each network in every mode that makes sense for it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "retrace/retrace.hpp"
#include "support/training.hpp"

namespace memory_table {

using benchmark::Net;

/// Figures reported by Hascoet et al.: activations and gradients in bytes per input pixel, and the
/// total of a training step on 32 images of 240 x 240.
struct PaperFigures {
  double bytes_per_pixel;
  double total_bytes;
};

struct Configuration {
  retrace::Architecture architecture;
  std::string_view mode;  ///< as in train_cifar10, or the name of a fixed-point stream that is
                          ///< reversible; "checkpoint" means every √L layers
  void (*select)(Net&);   ///< selects the mode of a network
  std::optional<PaperFigures> paper;
  std::optional<double> limit;  ///< limit of the bytes per input pixel
  retrace::Stream stream = retrace::Stream::floating;
  /// The two batch sizes whose peaks give the bytes per input pixel at 32 x 32, for modes in which
  /// a small batch fits in one chunk. 0 means the batch of a step, and twice as many images.
  retrace::Index from = 0, to = 0;
  retrace::NetOptions net = {};  ///< the paper's unless specified, in this stream

  bool chunked() const { return mode.ends_with("chunked"); }
};

/// Whether measured bytes and times have limits. Not on a GPU, where cuDNN's workspace depends on
/// the batch.
inline constexpr bool has_limits = device_kind == "cpu";

/// Returns the configurations of an architecture. The first is always `stored`, the reference.
/// @param size  channels and blocks that replace the paper's and have no known limits
std::vector<Configuration> configurations(retrace::Architecture architecture,
                                          const retrace::NetOptions& size = {});

/// Returns the limit of the workspace, in bytes, for any batch.
/// @param width  the largest number of output channels of a convolution
double workspace_limit(retrace::Index width);

/// The limit of additional workspace for the chunks of a chunked network.
inline constexpr double chunk_limit = 8 << 20;

/// The limit of a chunked step's time, relative to a reversible one.
inline constexpr double streamed_time_limit = 1.8;

/// The limit of the relative error of a predicted peak.
inline constexpr double prediction_limit = 0.01;

/// The limit of the relative difference between the growth of the process and the measured peak.
inline constexpr double resident_limit = 0.1;

}  // namespace memory_table
