// Trains a flow for a number of steps and evaluates it after each epoch.
#pragma once

#include <functional>
#include <optional>
#include <span>

#include "checkpoints.hpp"
#include "flow_options.hpp"
#include "retrace/flows.hpp"
#include "retrace/train/schedule.hpp"
#include "step_report.hpp"

/// The result of training.
struct FlowSummary {
  bool finished = false;       ///< whether all steps were taken
  std::optional<double> test;  ///< the last evaluation, in bits per dimension or nats
  double samples_per_second = 0;
  retrace::Bytes peak;
};

/// Trains a flow by maximum likelihood. All random numbers depend on options.seed alone, so runs
/// with the same seed and number of threads are bit-identical, resumed ones too.
class FlowTrainer {
 public:
  /// Called after every step. Returns whether to continue.
  using Listener = std::function<bool(const StepReport&)>;

  /// @throws std::invalid_argument if there are fewer training samples than in one batch, or a
  ///         pattern of --freeze names no parameter.
  FlowTrainer(retrace::Cpu& device, const FlowOptions& options, const FlowData& data);

  FlowNet& net() { return net_; }
  const retrace::NegativeLogLikelihood& loss() const { return loss_; }
  retrace::Index parameter_count() { return optimizer_.parameters().count(); }
  int threads() const { return device_.threads(); }

  /// Returns the contents of a checkpoint: values, counters and moments.
  retrace::ParameterList<float, retrace::Cpu> tensors();
  const TrainingState& state() const { return state_; }
  std::size_t total_steps() const;
  void continue_from(const TrainingState& state) { state_ = state; }

  /// Trains from the current step to the last, or until the listener returns false. An epoch omits
  /// the samples that do not fill a batch; these differ from epoch to epoch.
  /// @throws retrace::Divergence if a loss or gradient is not finite; with --on-nan skip, only
  ///         after too many such batches in a row. The message names the step and the layer.
  FlowSummary train(const Listener& listener);

  /// Sets the classes of the next pass: one per sample, or one of all. Does nothing without
  /// --classes.
  void set_classes(std::span<const std::int32_t> classes);
  /// Returns samples as the network takes them, and sets their classes.
  FlowNet::State batch(const FlowSamples& part, std::span<const retrace::Index> indices,
                       std::uint32_t epoch);

 private:
  using Indices = std::span<const retrace::Index>;

  std::size_t steps_per_epoch() const;
  StepReport take_step(std::size_t step, Indices indices);
  double evaluate();
  std::vector<Metric> metrics(double value, bool test) const;

  retrace::Cpu& device_;
  const FlowOptions& options_;
  const FlowData& data_;
  FlowCondition condition_;  ///< null without --classes
  FlowNet net_;
  FlowOptimizer optimizer_;
  retrace::NegativeLogLikelihood loss_;
  retrace::OneCycle schedule_;
  std::optional<retrace::GuardedStep<float, retrace::Cpu, FlowOptimizer>> guarded_;
  TrainingState state_;
};
