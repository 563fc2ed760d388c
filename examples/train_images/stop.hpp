// Whether training is to end before its last step: a signal came, or its time is up.
#pragma once

#include <chrono>
#include <string>

/// From its construction on, the first SIGINT, SIGTERM or SIGHUP asks for an end after the step at
/// work; a second one ends the program at once. Signals that the program was started to ignore stay
/// ignored. Writing past a limit of the file size becomes an error instead of the program's end.
class Stop {
 public:
  /// @param max_minutes  from now on; 0: as long as it takes.
  explicit Stop(double max_minutes);

  bool wanted() const;

  /// "SIGINT" or "--max-minutes"; empty if nothing has asked for an end.
  std::string reason() const;

  /// What the program returns: 128 and the signal's number, otherwise 0.
  int status() const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point end_;
};
