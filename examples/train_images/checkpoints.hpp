// Saves a training into a folder, and continues it from there.
#pragma once

#include <string>

#include "retrace/train/checkpoint_folder.hpp"
#include "trainer.hpp"

class Checkpoints {
 public:
  /// @throws std::invalid_argument if the folder holds a training that --resume does not ask for.
  /// @throws std::system_error if the folder cannot be written into.
  Checkpoints(const Options& options, const DataSet& data, Trainer& trainer);

  /// Takes the trainer to the newest checkpoint that is sound, if there is one and --resume asks
  /// for it. Returns lines that say so, what is wrong with newer ones, and what makes the results
  /// differ.
  /// @throws retrace::CheckpointMismatch if it is of another training.
  /// @throws retrace::DataError if none is sound.
  std::string resume();

  /// Whether to save after this step.
  bool due(const StepReport& report, bool stopping) const;

  /// The best one first: where the newest says that a step was the best, it is there.
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
