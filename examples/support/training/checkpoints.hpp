// Saves a training run to a folder, and resumes it from there.
//
//     Checkpoints checkpoints(options, {.options = json, .data = checksum, .mode = mode}, trainer);
//     std::cout << checkpoints.resume();           // restores the trainer with --resume
//     if (checkpoints.due(report, stopping)) checkpoints.save(report);   // after each step
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "retrace/train/checkpoint_folder.hpp"
#include "run_options.hpp"
#include "step_report.hpp"

/// The identity of a training run. A checkpoint with other options or other data is refused.
struct RunIdentity {
  std::string options;  ///< JSON object of the options that determine the result
  std::string data;     ///< checksum of the training data
  /// Returns the checksum of the data that Retrace recorded before it had train_images; empty if
  /// there were no such checkpoints.
  std::function<std::string()> former_data{};
  std::string mode;                    ///< memory modes, which may differ
  std::string samples = "images";      ///< what the data are, for messages
  retrace::CheckpointMetadata more{};  ///< other entries to save, such as names of classes
};

/// Returns the metadata of a checkpoint.
retrace::CheckpointMetadata checkpoint_metadata(const RunIdentity& run, const TrainingState& state,
                                                int threads);

/// @throws retrace::CheckpointMismatch if the checkpoint belongs to another training run.
void require_same_training(const retrace::Checkpoint& checkpoint, const RunIdentity& run);

/// Returns lines about a changed length of training, and about reasons for different last bits.
std::string checkpoint_differences(const retrace::Checkpoint& checkpoint,
                                   const retrace::CheckpointMetadata& now);

/// Returns the state that a checkpoint records.
/// @throws std::invalid_argument if it is after the last step.
TrainingState recorded_state(const retrace::Checkpoint& checkpoint, std::size_t total_steps);

/// @tparam Trainer  has `tensors()`, a retrace::ParameterList of all that a checkpoint holds;
///                  `state()` and `continue_from(TrainingState)`; `total_steps()`; `threads()`.
template <class Trainer>
class Checkpoints {
 public:
  /// @throws std::invalid_argument if the folder holds a training run and --resume is not given.
  /// @throws std::system_error if the folder cannot be written to.
  Checkpoints(const RunOptions& options, RunIdentity run, Trainer& trainer)
      : options_(options),
        run_(std::move(run)),
        trainer_(trainer),
        folder_(options.checkpoint_dir) {
    if (!options.resume && !folder_.steps().empty())
      throw std::invalid_argument(
          "--checkpoint-dir " + options.checkpoint_dir.string() +
          " holds the checkpoints of a training: pass --resume to continue it, or name another "
          "folder");
  }

  /// Restores the newest valid checkpoint if there is one and --resume is given. Returns lines that
  /// report this, the faults of newer checkpoints, and any reasons for different results.
  /// @throws retrace::CheckpointMismatch if the checkpoint belongs to another training run.
  /// @throws retrace::DataError if there are checkpoints but none is valid.
  std::string resume() {
    if (!options_.resume) return {};
    auto [checkpoint, damaged] = folder_.newest();
    if (!checkpoint)
      return "no checkpoint in " + options_.checkpoint_dir.string() + " yet: starting\n";
    require_same_training(*checkpoint, run_);
    const TrainingState state = recorded_state(*checkpoint, trainer_.total_steps());
    checkpoint->restore(trainer_.tensors());
    trainer_.continue_from(state);
    std::string text;
    for (const std::string& what : damaged) text += what + "; it is called *.damaged from now on\n";
    return text + "continuing after step " + std::to_string(state.step) + " from " +
           checkpoint->name() + '\n' + checkpoint_differences(*checkpoint, metadata());
  }

  /// Returns whether to save after this step.
  bool due(const StepReport& report, bool stopping) const {
    if (stopping || report.step == report.steps) return true;
    return options_.checkpoint_every == 0
               ? !report.test.empty()
               : report.step % options_.checkpoint_every == 0 || report.best;
  }

  /// Saves a checkpoint. Writes best.safetensors first, so it exists if the newest checkpoint
  /// refers to it.
  void save(const StepReport& report) {
    if (report.best) retrace::write_checkpoint(folder_.best(), trainer_.tensors(), metadata());
    folder_.save(report.step, trainer_.tensors(), metadata());
  }

 private:
  retrace::CheckpointMetadata metadata() const {
    return checkpoint_metadata(run_, trainer_.state(), trainer_.threads());
  }

  const RunOptions& options_;
  RunIdentity run_;
  Trainer& trainer_;
  retrace::CheckpointFolder folder_;
};
