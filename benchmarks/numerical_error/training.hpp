// A network of a figure while it is being trained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "figure.hpp"

namespace numerical_error {

/// Which network, and what becomes of its activations.
enum class Activations {
  stored,
  reconstructed,  ///< and nobody steps in
  guarded,        ///< by a drift guard with its default thresholds
};

struct RunSettings {
  retrace::Architecture architecture;
  retrace::NetOptions net;
  Activations activations = Activations::reconstructed;
  std::size_t steps;
  double rate = 0.02;  ///< the highest
  std::uint64_t seed = 1;
};

struct RunResult {
  std::vector<double> losses;  ///< step by step, until one was not finite
  std::vector<double> ratios;  ///< dB of the worst reconstructed input, step by step
  double accuracy = 0;         ///< on the first 1000 test images, in percent
  int discarded = 0, anchors = 0;
  bool diverged = false;  ///< a loss or a gradient was not finite, and training ended
};

/// The batch that a step takes: shuffled, cropped and flipped as the trainer does it.
class Batches {
 public:
  Batches(retrace::Cpu& device, const Settings& settings, std::uint64_t seed);
  retrace::LabelledBatch<float, retrace::Cpu> operator()(std::size_t step);

 private:
  retrace::Cpu& device_;
  const Settings& settings_;
  std::uint64_t seed_;
  std::size_t epoch_ = std::numeric_limits<std::size_t>::max();
  std::vector<retrace::Index> order_;
};

/// Momentum 0.9, decay 5e-4, one cycle of the learning rate. Tells stderr how it ends.
RunResult train(const RunSettings& run, const Settings& settings);

/// The network in the mode that reconstructs most.
Net build_net(retrace::Cpu& device, const RunSettings& run);

/// Layer-wise and hybrid networks of `blocks` blocks in all on three narrow levels.
retrace::NetOptions narrow_options(retrace::Architecture architecture, retrace::Index blocks,
                                   double slope);

/// The mean of each `width` neighbouring values, for a curve that can be read.
Series smoothed(std::string label, const std::vector<double>& values, std::size_t width);

}  // namespace numerical_error
