// Trains the model on random windows.
#pragma once

#include <cstddef>
#include <functional>

#include "model.hpp"
#include "options.hpp"
#include "retrace/train/rules/adamw.hpp"
#include "step_report.hpp"
#include "windows.hpp"

class Trainer {
 public:
  /// Called after every step. Returns whether to continue.
  using Listener = std::function<bool(const StepReport&)>;

  Trainer(const Options& options, const Windows& windows);

  /// Trains from the current step to the last, or until the listener returns false. Tests the
  /// model after each epoch and after the last step. Returns whether all steps were taken.
  bool train(const Listener& listener);
  /// The root mean square of the error on all test windows, in units of the deviation.
  double test_error();
  /// The same for the prediction that nothing changes.
  double persistence_error();

  std::size_t total_steps() const { return total_; }
  int threads() const { return device_.threads(); }
  Model& model() { return model_; }
  retrace::Cpu& device() { return device_; }
  retrace::ParameterList<float, retrace::Cpu> tensors();
  const TrainingState& state() const { return state_; }
  void continue_from(const TrainingState& state) { state_ = state; }

 private:
  StepReport step();
  std::vector<Window> draw() const;

  const Options& options_;
  const Windows& windows_;
  retrace::Cpu device_;
  Model model_;
  retrace::Optimizer<retrace::AdamWRule, float, retrace::Cpu> optimizer_;
  std::size_t epoch_steps_, total_;
  TrainingState state_;
};
