// Writes a JSON object on a line of its own for every step.
//
//     JsonLog log(path, resumed_step);
//     log.write({{"arch", "revnet"}, {"seed", 1}}, report);
#pragma once

#include <cstddef>
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "retrace/train/durable_file.hpp"
#include "step_report.hpp"

class JsonLog {
 public:
  /// @param kept_steps  the last step to keep in an existing file. Lines of later steps, and all
  ///                    from the first damaged line on, are removed. 0 starts a new log.
  /// @throws std::system_error if the file cannot be written.
  explicit JsonLog(const std::filesystem::path& path, std::size_t kept_steps = 0);

  /// @param description  an object whose keys start the line: what is trained, on what and how.
  ///                     `plot_run` needs "arch", "mode", "data", "batch" and "seed".
  void write(const nlohmann::ordered_json& description, const StepReport& report);

  /// Waits until all lines are on the disk.
  void sync() { file_.sync(); }

 private:
  retrace::Descriptor file_;
};
