// A network of a figure during training.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "figure.hpp"

namespace numerical_error {

/// How activations become available in backward.
enum class Activations {
  stored,
  reconstructed,  ///< without a guard
  guarded,        ///< reconstructed, with a drift guard at its default thresholds
};

struct RunSettings {
  retrace::Architecture architecture;
  retrace::NetOptions net;
  Activations activations = Activations::reconstructed;
  std::size_t steps;
  double rate = 0.02;  ///< the peak learning rate
  std::uint64_t seed = 1;
};

struct RunResult {
  std::vector<double> losses;  ///< per step, until one is not finite
  std::vector<double> ratios;  ///< dB of the worst reconstructed input, per step
  double accuracy = 0;         ///< on the first 1000 test images, in percent
  int discarded = 0, anchors = 0;
  bool diverged = false;  ///< training ended because a loss or gradient was not finite
};

/// The batches of training steps: shuffled, cropped and flipped as in the trainer.
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

/// Trains with momentum 0.9, decay 5e-4 and one cycle of the learning rate. Prints the result to
/// stderr.
RunResult train(const RunSettings& run, const Settings& settings);

/// Builds the network in the mode that reconstructs most.
Net build_net(retrace::Cpu& device, const RunSettings& run);

/// Returns options of layer-wise and hybrid networks with `blocks` blocks on three narrow levels.
retrace::NetOptions narrow_options(retrace::Architecture architecture, retrace::Index blocks,
                                   double slope);

/// Returns the mean of each `width` neighbouring values, for a readable curve.
Series smoothed(std::string label, const std::vector<double>& values, std::size_t width);

}  // namespace numerical_error
