// What is compared: every network in every mode that makes sense for it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "retrace/retrace.hpp"
#include "support/training.hpp"

namespace memory_table {

using benchmark::Net;

/// What Hascoet et al. report: activations and gradients in bytes per input pixel, and the whole
/// of a training step on 32 images of 240 x 240.
struct PaperFigures {
  double bytes_per_pixel;
  double total_bytes;
};

struct Configuration {
  retrace::Architecture architecture;
  std::string_view mode;  ///< as train_cifar10 names it, or a stream that is reversible in
                          ///< fixed point; "checkpoint" is that of √L layers
  void (*select)(Net&);   ///< puts a network into that mode
  std::optional<PaperFigures> paper;
  std::optional<double> limit;  ///< of the bytes per input pixel
  retrace::Stream stream = retrace::Stream::floating;
  /// Images between which the bytes grow that are counted at 32 x 32, where a small batch is no
  /// matter of chunks; 0: those of a step, and twice as many.
  retrace::Index from = 0, to = 0;
  retrace::NetOptions net = {};  ///< the paper's if not another is asked for, in this stream

  bool streamed() const { return mode.ends_with("streamed"); }
};

/// Whether bytes and times have limits other than what is predicted: not on a GPU, where cuDNN's
/// workspace grows with the batch as its algorithms want.
inline constexpr bool has_limits = device_kind == "cpu";

/// The first one is always `stored`, which the others are compared with.
/// @param size  channels and blocks in place of the paper's, of which no limits are known
std::vector<Configuration> configurations(retrace::Architecture architecture,
                                          const retrace::NetOptions& size = {});

/// The bytes of workspace that a network may need whatever its batch is.
/// @param width  the most channels that a convolution gives
double workspace_limit(retrace::Index width);

/// What the chunks of a streamed network may need beside that.
inline constexpr double chunk_limit = 8 << 20;

/// How many times a reversible step a streamed one may take.
inline constexpr double streamed_time_limit = 1.8;

/// How far a predicted peak may be from the measured one.
inline constexpr double prediction_limit = 0.01;

/// How far the growth of the process may be from the measured peak.
inline constexpr double resident_limit = 0.1;

}  // namespace memory_table
