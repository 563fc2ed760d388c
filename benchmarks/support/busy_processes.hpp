// Other processes that want a processor.
#pragma once

#include <sys/types.h>

#include <vector>

namespace benchmark {

/// Processes that compute without end, for as long as this lives. They end with this process too.
class BusyProcesses {
 public:
  /// @throws std::system_error if one cannot be started.
  explicit BusyProcesses(int count);
  BusyProcesses(const BusyProcesses&) = delete;
  BusyProcesses& operator=(const BusyProcesses&) = delete;
  ~BusyProcesses() { end(); }

 private:
  void end();

  std::vector<pid_t> processes_{};
};

}  // namespace benchmark
