// The logs of a run that --json and --tensorboard name.
//
//     Logs logs;
//     logs.open(options, resumed_step);
//     logs.write(description, report);   // after each step
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>

#include "json_log.hpp"
#include "run_options.hpp"
#include "tensorboard.hpp"

class Logs {
 public:
  /// Opens the JSON log that the options name, unless it is open, and the events of the run.
  /// @param kept_steps  the last step to keep in existing logs; 0 starts new ones
  void open(const RunOptions& options, std::size_t kept_steps);

  /// @param description  starts each line of the JSON log
  void write(const nlohmann::ordered_json& description, const StepReport& report);

  /// Waits until all is on the disk. Call it before a checkpoint is saved.
  void sync();

 private:
  std::optional<JsonLog> json_;
  std::optional<TensorBoard> board_;
};
