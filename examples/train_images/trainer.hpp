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
#include "retrace/train/guarded_step.hpp"

/// What is known after a step.
struct StepReport {
  std::size_t step = 0, steps = 0;  ///< steps taken, and to take in all
  std::size_t epoch = 0;            ///< counted from 1
  retrace::LossValue batch;
  std::string discarded;                   ///< why the network was not updated, if it was not
  std::optional<double> lowest_ratio;      ///< dB, of the worst reconstructed input, if guarded
  std::string worst_layer;                 ///< that has it
  std::vector<retrace::Drift> drifts;      ///< what the drift guard had to say
  std::optional<retrace::LossValue> test;  ///< where the network was evaluated
  bool best = false;                       ///< no evaluation before had this accuracy
  double learning_rate = 0;
  double seconds = 0;        ///< that the step took
  double total_seconds = 0;  ///< and all steps up to it
  retrace::Bytes live, peak;
  std::optional<std::size_t> predicted_peak;  ///< bytes of the next steps, after a new anchor
};

/// How far a training is. With the tensors of the trainer it is all that continuing takes.
struct TrainingState {
  std::size_t step = 0;       ///< steps taken
  std::size_t discarded = 0;  ///< of which did not count
  double seconds = 0;         ///< that the steps took, evaluations apart
  std::size_t best_step = 0;
  double best_accuracy = -1;  ///< of an evaluation; -1 before the first
};

/// What is known at the end.
struct TrainingSummary {
  bool finished = false;                   ///< no step is left
  std::optional<retrace::LossValue> test;  ///< of the last evaluation
  double images_per_second = 0;            ///< of training, evaluations apart
  retrace::Bytes peak;
};

/// A step on a batch at a learning rate.
using RecordedSteps = std::function<retrace::LossValue(const Batch&, double)>;

/// All that is random depends on options.seed alone, so that a run with the same seed and the
/// same number of threads repeats bit for bit.
class Trainer {
 public:
  /// Hears of every step, and says whether to go on.
  using Listener = std::function<bool(const StepReport&)>;

  /// @throws std::invalid_argument if there are fewer training images than one batch takes.
  Trainer(Device& device, const Options& options, const DataSet& data);

  retrace::Index parameter_count() { return optimizer_.parameters().count(); }
  int threads() const { return threads_of(device_); }

  /// Values and running averages.
  retrace::ParameterList<float, Device> weights() { return optimizer_.parameters(); }
  /// What a checkpoint holds: values, running averages, momentum.
  retrace::ParameterList<float, Device> tensors();
  const TrainingState& state() const { return state_; }
  std::size_t total_steps() const;
  void continue_from(const TrainingState& state) { state_ = state; }

  /// Trains from the step that the state is at to the last, or until the listener says no.
  /// An epoch leaves out the images that do not fill a batch; they are others in each epoch.
  /// @throws retrace::Divergence naming the step and the layer; the network is not updated from it,
  /// unless
  ///         the optimizer is fused. With --on-nan skip, only where too many batches in a row are
  ///         like that.
  TrainingSummary train(const Listener& listener);

 private:
  using Indices = std::span<const retrace::Index>;

  std::size_t steps_per_epoch() const;
  std::size_t micro_batches() const;
  StepReport take_step(std::size_t step, Indices indices);
  void run_step(StepReport& report, Indices indices);
  /// Before a fused step.
  void require_finite(const std::string& name, const Net::Gradient& gradient);
  retrace::LossValue evaluate();
  retrace::LossValue evaluate(const HostBatch& batch, retrace::Index images);
  void evaluate_into(StepReport& report);

  void run_recorded_step(StepReport& report);

  BatchQueue::Requests training_requests() const;
  Batch next_training_batch(retrace::Index images);
  Batch training_batch(std::size_t epoch, Indices indices);

  Device& device_;
  const Options& options_;
  const DataSet& data_;
  Net net_;
  Optimizer optimizer_;
  retrace::CrossEntropyOptions criterion_;
  retrace::OneCycle schedule_;
  std::optional<retrace::GuardedStep<float, Device, Optimizer>> guarded_;
  RecordedSteps recorded_;  ///< empty: steps are not recorded
  TrainingState state_;
  BatchMaker training_maker_, test_maker_;
  std::optional<BatchQueue> queue_;  ///< of training batches, or of their micro-batches
  std::size_t taken_ = 0;            ///< of them in this step
};

/// Gives the network those weights of a safetensors file that have the names and shapes of its own.
/// Returns a line that says how many, and which are not there.
/// @throws retrace::DataError if it has none of them.
std::string start_from(const std::filesystem::path& path, Trainer& trainer);
