// Writes one JSON object a line for every step.
#pragma once

#include "options.hpp"
#include "retrace/train/durable_file.hpp"
#include "trainer.hpp"

class JsonLog {
 public:
  /// @param kept_steps  lines of later steps and all behind a damaged one are taken off what the
  ///                    file holds already: 0 for a log that starts anew.
  /// @throws std::system_error if the file cannot be written.
  explicit JsonLog(const std::filesystem::path& path, std::size_t kept_steps = 0);

  void write(const StepReport& report, const Options& options, const DataSet& data);

  /// Returns when all lines are on the disk.
  void sync() { file_.sync(); }

 private:
  retrace::Descriptor file_;
};
