// Other processes that occupy processors.
#pragma once

#include <sys/types.h>

#include <vector>

namespace benchmark {

/// Processes that compute until this object or this process ends.
class BusyProcesses {
 public:
  /// @throws std::system_error if a process cannot be started.
  explicit BusyProcesses(int count);
  BusyProcesses(const BusyProcesses&) = delete;
  BusyProcesses& operator=(const BusyProcesses&) = delete;
  ~BusyProcesses() { end(); }

 private:
  void end();

  std::vector<pid_t> processes_{};
};

}  // namespace benchmark
