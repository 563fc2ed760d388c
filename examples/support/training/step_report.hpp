// One step of a training run, as Progress, JsonLog and TensorBoard show it.
//
// A program fills a StepReport after each step and hands the same one to all of them. `metrics` has
// whatever the program trains: a loss and an accuracy, bits per character, bits per dimension.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "retrace/core/memory_meter.hpp"

/// A figure of a batch or of an evaluation.
struct Metric {
  std::string key;    ///< in logs: "train_accuracy"
  std::string label;  ///< on the terminal: "CIFAR-10 accuracy"
  double value = 0;
  bool is_share = false;  ///< shown in percent
};

/// A report of the drift guard: retrace::Drift without the headers of networks.
struct DriftReport {
  std::string layer;
  double decibels = 0;    ///< signal to noise of the reconstructed input
  bool anchored = false;  ///< the layer stores its input from the next step on
};

struct StepReport {
  std::size_t step = 0, steps = 0;     ///< steps taken, and total steps
  std::size_t epoch = 0;               ///< counted from 1
  std::vector<Metric> metrics;         ///< of the batch; not used if the step was skipped
  std::string discarded;               ///< why the step was skipped; empty if it was not
  std::optional<double> lowest_ratio;  ///< dB, of the worst reconstructed input, if guarded
  std::string worst_layer;             ///< the layer with the lowest ratio
  std::vector<DriftReport> drifts;     ///< reports of the drift guard
  std::vector<Metric> test;            ///< not empty if the network was evaluated
  std::string tested_on;               ///< "the first 1000 images"
  bool best = false;                   ///< whether the score exceeds all earlier ones
  double learning_rate = 0;
  std::size_t samples = 0;      ///< in the batch
  std::string unit = "images";  ///< of `samples`, also in the log: "images_per_second"
  double seconds = 0;           ///< duration of the step
  double total_seconds = 0;     ///< duration of all steps so far
  retrace::Bytes live, peak;
  std::optional<std::size_t> predicted_peak;  ///< bytes of the next steps, after a new anchor
};

/// The progress of training. Together with the tensors of the trainer it suffices to resume.
struct TrainingState {
  std::size_t step = 0;       ///< steps taken
  std::size_t discarded = 0;  ///< steps that were skipped
  double seconds = 0;         ///< duration of the steps without evaluations
  std::size_t best_step = 0;
  double best_accuracy = -1;  ///< highest score of an evaluation; -1 before the first
};
