// Trains a network for a number of steps and evaluates it after each epoch.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "data.hpp"
#include "options.hpp"

/// What is known after a step.
struct StepReport {
  std::size_t step = 0, steps = 0;  ///< steps taken, and to take in all
  std::size_t epoch = 0;            ///< counted from 1
  retrace::BatchLoss batch;
  std::string discarded;                   ///< why the network was not updated, if it was not
  std::optional<double> lowest_ratio;      ///< dB, of the worst reconstructed input, if guarded
  std::string worst_layer;                 ///< that has it
  std::vector<retrace::Drift> drifts;      ///< what the drift guard had to say
  std::optional<retrace::BatchLoss> test;  ///< where the network was evaluated
  double learning_rate = 0;
  double seconds = 0;  ///< that the step took
  retrace::Bytes live, peak;
  std::optional<std::size_t> predicted_peak;  ///< bytes of the next steps, after a new anchor
};

/// What is known at the end.
struct TrainingSummary {
  retrace::BatchLoss test;
  double images_per_second = 0;  ///< of training, evaluations apart
  retrace::Bytes peak;
};

/// The share of correct answers.
double accuracy(const retrace::BatchLoss& loss);

/// "the input of level1.block0 was reconstructed with 31.4 dB of signal to noise".
std::string to_string(const retrace::Drift& drift);

/// A loss or a gradient is not a finite number.
struct Divergence : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// All that is random depends on options.seed alone, so that a run with the same seed and the
/// same number of threads repeats bit for bit.
class Trainer {
 public:
  using Listener = std::function<void(const StepReport&)>;

  /// @throws std::invalid_argument if there are fewer training images than one batch takes.
  Trainer(retrace::Cpu& device, const Options& options, const Data& data);

  retrace::Index parameter_count() { return optimizer_.parameters().count(); }

  /// An epoch leaves out the images that do not fill a batch; they are others in each epoch.
  /// @throws Divergence naming the step and the layer; the network is not updated from it.
  TrainingSummary train(const Listener& listener);

 private:
  using Indices = std::span<const retrace::Index>;

  std::size_t steps_per_epoch() const;
  std::size_t total_steps() const;
  StepReport take_step(std::size_t step, Indices indices);
  void run_step(StepReport& report, Indices indices);
  bool use_gradients(StepReport& report);
  void require_finite_loss(const StepReport& report, Indices indices);
  void require_finite_gradients(const StepReport& report);
  retrace::BatchLoss evaluate();
  retrace::BatchLoss evaluate(Indices indices);

  Batch training_batch(std::size_t epoch, Indices indices);

  retrace::Cpu& device_;
  const Options& options_;
  const Data& data_;
  Net net_;
  Optimizer optimizer_;
  retrace::OneCycle schedule_;
  std::vector<retrace::Drift> drifts_;
  std::optional<retrace::DriftGuard<retrace::Float, retrace::Cpu>> guard_;
};
