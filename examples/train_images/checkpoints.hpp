// Saves a training run to a folder, and resumes it from there.
#pragma once

#include <string>

#include "retrace/train/checkpoint_folder.hpp"
#include "trainer.hpp"

class Checkpoints {
 public:
  /// @throws std::invalid_argument if the folder holds a training run and --resume is not given.
  /// @throws std::system_error if the folder cannot be written to.
  Checkpoints(const Options& options, const DataSet& data, Trainer& trainer);

  /// Restores the newest valid checkpoint if there is one and --resume is given. Returns lines that
  /// report this, the faults of newer checkpoints, and any reasons for different results.
  /// @throws retrace::CheckpointMismatch if the checkpoint belongs to another training run.
  /// @throws retrace::DataError if there are checkpoints but none is valid.
  std::string resume();

  /// Returns whether to save after this step.
  bool due(const StepReport& report, bool stopping) const;

  /// Saves a checkpoint. Writes best.safetensors first, so it exists if the newest checkpoint
  /// refers to it.
  void save(const StepReport& report);

 private:
  retrace::CheckpointMetadata metadata() const;
  void require_same_training(const retrace::Checkpoint& checkpoint) const;
  std::string differences(const retrace::Checkpoint& checkpoint) const;

  const Options& options_;
  Trainer& trainer_;
  std::string data_checksum_;
  retrace::CheckpointFolder folder_;
};
