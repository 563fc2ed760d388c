// Trains a network for a number of steps and evaluates it after each epoch.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "confusion.hpp"
#include "data.hpp"
#include "options.hpp"
#include "ranks.hpp"
#include "retrace/parallel/data_parallel.hpp"
#include "retrace/train/guarded_step.hpp"
#include "step_report.hpp"

/// The result of training.
struct TrainingSummary {
  bool finished = false;                   ///< whether all steps were taken
  std::optional<retrace::LossValue> test;  ///< result of the last evaluation
  std::optional<ConfusionMatrix> matrix;   ///< of the last evaluation
  double images_per_second = 0;            ///< training throughput without evaluations
  retrace::Bytes peak;
};

/// Runs a step on a batch at a learning rate.
using RecordedSteps = std::function<retrace::LossValue(const Batch&, double)>;

/// Trains a network. All random numbers depend on options.seed alone, so runs with the same seed
/// and number of threads and ranks are bit-identical. Every rank takes its part of each
/// micro-batch; losses, evaluations and states are those of all ranks.
class Trainer {
 public:
  /// Called after every step. Returns whether to continue.
  using Listener = std::function<bool(const StepReport&)>;

  /// @throws std::invalid_argument if there are fewer training images than in one batch, or there
  ///         are several ranks and an option is for one process.
  Trainer(Device& device, const Options& options, const DataSet& data, Ranks& ranks);

  retrace::Index parameter_count() { return optimizer_.parameters().count(); }
  int threads() const { return threads_of(device_); }

  /// Returns parameter values and running averages.
  retrace::ParameterList<float, Device> weights() { return optimizer_.parameters(); }
  /// Returns the contents of a checkpoint: values, running averages and momentum.
  retrace::ParameterList<float, Device> tensors();
  const TrainingState& state() const { return state_; }
  std::size_t total_steps() const;
  void continue_from(const TrainingState& state) { state_ = state; }

  /// Trains from the current step to the last, or until the listener returns false. An epoch omits
  /// the images that do not fill a batch; these differ from epoch to epoch.
  /// @throws retrace::Divergence if a loss or gradient is not finite; with --on-nan skip, only
  ///         after too many such batches in a row. The message names the step and the layer. The
  ///         network is not updated from that batch unless the optimizer is fused.
  TrainingSummary train(const Listener& listener);

 private:
  using Indices = std::span<const retrace::Index>;

  std::size_t steps_per_epoch() const;
  retrace::Index requested_images() const;
  /// Returns this rank's images of a batch: its part of each micro-batch.
  std::vector<retrace::Index> own(Indices batch) const;
  StepReport take_step(std::size_t step, Indices indices);
  void run_step(StepReport& report, Indices indices);
  /// Before a fused step.
  void require_finite(const std::string& name, const Net::Gradient& gradient);
  /// @param matrix  counts the predictions
  retrace::LossValue evaluate(ConfusionMatrix& matrix);
  retrace::LossValue evaluate(const HostBatch& batch, retrace::Index images,
                              ConfusionMatrix& matrix);
  /// @param of  "train" or "test"
  std::vector<Metric> metrics(const retrace::LossValue& loss, const std::string& of) const;
  retrace::LossValue evaluate_into(StepReport& report, ConfusionMatrix& matrix);

  double weight_of(Indices indices) const;
  double weight_of_pixels();
  BatchQueue::Requests training_requests() const;
  HostBatch take_host_batch();
  Batch next_training_batch(retrace::Index images);
  Batch training_batch(std::size_t epoch, Indices indices);

  Device& device_;
  const Options& options_;
  const DataSet& data_;
  Ranks& ranks_;
  Net net_;
  Optimizer optimizer_;
  retrace::CrossEntropyOptions criterion_;
  std::function<double(std::size_t)> schedule_;  ///< the learning rate of a step
  /// Empty if there is one rank.
  std::optional<retrace::DataParallel<float, Device, retrace::AnyCommunicator>> parallel_;
  std::optional<retrace::GuardedStep<float, Device, Optimizer>> guarded_;
  RecordedSteps recorded_;  ///< empty: steps are not recorded
  TrainingState state_;
  bool lowered_ = false;  ///< whether a stream has overflowed on this rank in an evaluation
  BatchMaker training_maker_, test_maker_;
  std::optional<BatchQueue> queue_;  ///< of micro-batches, or of batches if pixels have labels
  HostBatch batch_;                  ///< of this step, if pixels have labels
  retrace::Index taken_ = 0;         ///< images of this step that all ranks have taken
  retrace::Index own_taken_ = 0;     ///< those of them that this rank has taken
};

/// Gives the network those weights of a safetensors file that have the names and shapes of its own.
/// Returns a line that says how many, and which are not there.
/// @throws retrace::DataError if it has none of them.
std::string start_from(const std::filesystem::path& path, Trainer& trainer);
