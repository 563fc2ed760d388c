// Trains a language model for a number of steps and evaluates it on held-out bytes.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "optimizers.hpp"
#include "options.hpp"
#include "ranks.hpp"
#include "retrace/parallel/data_parallel.hpp"
#include "retrace/train/guarded_step.hpp"
#include "retrace/train/loss/mean_of.hpp"
#include "retrace/train/schedule.hpp"
#include "step_report.hpp"
#include "text_batches.hpp"

/// The result of training.
struct TrainingSummary {
  bool finished = false;        ///< whether all steps were taken
  std::optional<double> nats;   ///< per byte of all held-out bytes, if finished
  double bytes_per_second = 0;  ///< training throughput without evaluations
  double cpu_seconds = 0;       ///< of the process, in the steps of this run
  retrace::Bytes peak;
};

/// Trains a model. All random numbers depend on options.seed and the number of the step, so runs
/// with the same seed and number of threads are bit-identical.
class TextTrainer {
 public:
  /// Called after every step. Returns whether to continue.
  using Listener = std::function<bool(const StepReport&)>;

  /// With several ranks, each one takes its part of the windows of every micro-batch.
  TextTrainer(Device& device, const Options& options, const TextSplit& split, Ranks& ranks);

  retrace::Index parameter_count() { return optimizer_.parameters().count(); }
  int threads() const { return threads_of(device_); }
  /// Returns the contents of a checkpoint.
  retrace::ParameterList<float, Device> tensors();
  const TrainingState& state() const { return state_; }
  void continue_from(const TrainingState& state) { state_ = state; }
  std::size_t total_steps() const;
  Model& model() { return model_; }

  /// Trains from the current step to the last, or until the listener returns false.
  /// @throws retrace::Divergence if a loss or gradient is not finite, unless --on-nan skip.
  TrainingSummary train(const Listener& listener);

  /// Returns the mean loss of the first held-out bytes, in nats per byte.
  double evaluate(std::uint64_t bytes);

 private:
  /// The tokens of some windows.
  struct Loaded {
    Net::State x;
  };
  std::size_t eval_every() const;
  Loaded load(const TextBatch& batch);
  StepReport take_step(std::size_t step);
  void evaluate_into(StepReport& report);

  Device& device_;
  const Options& options_;
  const TextSplit& split_;
  Ranks& ranks_;
  Model model_;
  TextOptimizer optimizer_;
  retrace::WarmUp<retrace::Cosine> schedule_;
  /// Empty if there is one rank.
  std::optional<retrace::DataParallel<float, Device, retrace::AnyCommunicator>> parallel_;
  std::optional<retrace::GuardedStep<float, Device, TextOptimizer>> guarded_;
  TrainingState state_;
};

/// Returns the tokens as the input of a model, one per element.
Net::State token_tensor(Device& device, const std::vector<std::int32_t>& tokens,
                        retrace::Shape shape);
