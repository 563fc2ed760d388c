#include "support/busy_processes.hpp"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace benchmark {

BusyProcesses::BusyProcesses(int count) {
  const pid_t parent = getpid();
  for (int i = 0; i < count; ++i) {
    const pid_t process = fork();
    if (process < 0) {
      const int why = errno;
      end();
      throw std::system_error(why, std::generic_category(), "a busy process could not be started");
    }
    if (process == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(0);  // the parent has already ended
      for (volatile unsigned turns = 0;;) {
        turns = turns + 1;
      }
    }
    processes_.push_back(process);
  }
}

void BusyProcesses::end() {
  for (const pid_t process : processes_) kill(process, SIGKILL);
  for (const pid_t process : processes_) waitpid(process, nullptr, 0);
  processes_.clear();
}

}  // namespace benchmark
