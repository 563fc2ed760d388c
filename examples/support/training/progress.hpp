// Shows the progress of training: a bar on a terminal, or occasional lines elsewhere.
//
//     Progress progress;
//     progress(report);           // after each step
//     progress.note("saved");     // a line of its own
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "step_report.hpp"

class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void operator()(const StepReport& report);

  /// Writes a separate line.
  void note(const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;

  void smooth(const StepReport& report);
  std::string line(const StepReport& report) const;
  std::string evaluation(const StepReport& report) const;

  bool terminal_, bar_is_open_ = false;
  Clock::time_point shown_{};
  std::size_t steps_ = 0;         ///< steps that were not skipped
  std::vector<Metric> averages_;  ///< of the latest steps
  double seconds_ = 0;            ///< average duration of the latest steps
};
