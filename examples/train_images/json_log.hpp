// Writes a JSON object on a line of its own for every step.
#pragma once

#include "options.hpp"
#include "retrace/train/durable_file.hpp"
#include "trainer.hpp"

class JsonLog {
 public:
  /// @param kept_steps  the last step to keep in an existing file. Lines of later steps, and all
  ///                    from the first damaged line on, are removed. 0 starts a new log.
  /// @throws std::system_error if the file cannot be written.
  explicit JsonLog(const std::filesystem::path& path, std::size_t kept_steps = 0);

  void write(const StepReport& report, const Options& options, const DataSet& data);

  /// Waits until all lines are on the disk.
  void sync() { file_.sync(); }

 private:
  retrace::Descriptor file_;
};
