// Writes the figures of every step for TensorBoard.
//
//     TensorBoard board(folder, resumed_step);
//     board.write(report);            // after each step
//
// and in a shell: tensorboard --logdir FOLDER
#pragma once

#include <cstddef>
#include <filesystem>

#include "retrace/train/durable_file.hpp"
#include "step_report.hpp"

class TensorBoard {
 public:
  /// Writes to the file events.out.tfevents.retrace of a folder, which is made if it does not
  /// exist.
  /// @param kept_steps  the last step to keep in an existing file. Events of later steps, and all
  ///                    from the first damaged one on, are removed. 0 starts a new file.
  /// @throws std::system_error if the folder or the file cannot be written.
  explicit TensorBoard(const std::filesystem::path& folder, std::size_t kept_steps = 0);

  /// Adds an event with the metrics, the learning rate, the throughput, the bytes at the peak and
  /// the worst reconstruction.
  void write(const StepReport& report);

  /// Waits until all events are on the disk.
  void sync() { file_.sync(); }

 private:
  retrace::Descriptor file_;
};
