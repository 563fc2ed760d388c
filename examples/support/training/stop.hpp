// Stops training before its last step on a signal or when its time is up.
//
//     const Stop stop(max_minutes);
//     while (step < steps && stop.reason().empty()) ...
//     return stop.status();  // from main
#pragma once

#include <chrono>
#include <string>

/// From its construction on, the first SIGINT, SIGTERM or SIGHUP stops training after the current
/// step, and a second one ends the program at once. Signals that were ignored at the start stay
/// ignored. Exceeding a file-size limit becomes an error and does not end the program.
class Stop {
 public:
  /// @param max_minutes  the time limit from now on; 0: no limit
  explicit Stop(double max_minutes);

  bool wanted() const;

  /// Returns "SIGINT" or "--max-minutes", for example, or an empty string if nothing has stopped
  /// training.
  std::string reason() const;

  /// Returns the exit status: 128 plus the signal number, or 0 if there was no signal.
  int status() const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point end_;
};
