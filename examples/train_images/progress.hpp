// Shows the progress of training: a bar on a terminal, or occasional lines elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "trainer.hpp"

class Progress {
 public:
  /// @param data  the name of the data set, printed with every accuracy
  explicit Progress(std::string data);
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

  std::string data_;
  bool terminal_, bar_is_open_ = false;
  Clock::time_point shown_{};
  std::size_t steps_ = 0;                         ///< steps that were not skipped
  double loss_ = 0, accuracy_ = 0, seconds_ = 0;  ///< averages over the latest steps
};
