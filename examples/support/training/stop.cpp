#include "stop.hpp"

#include <unistd.h>

#include <csignal>
#include <cstddef>

#include "retrace/parallel/communicator.hpp"

namespace {

volatile std::sig_atomic_t received = 0;
bool says_so = true;  ///< one of several ranks is silent: mpirun says why it ends them

constexpr char notice[] = "\nfinishing the step and saving; once more ends it at once\n";

/// Calls only async-signal-safe functions.
extern "C" void note_signal(int signal) {
  if (received != 0) _exit(128 + signal);
  received = signal;
  if (!says_so) return;
  [[maybe_unused]] const auto written = write(STDERR_FILENO, notice, sizeof notice - 1);
}

void handle(int signal) {
  struct sigaction before {};
  sigaction(signal, nullptr, &before);
  if (before.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);
}

}  // namespace

Stop::Stop(double max_minutes) : end_(Clock::time_point::max()) {
  // Durations over a hundred years would overflow.
  if (max_minutes > 0 && max_minutes < 5e7)
    end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                              std::chrono::duration<double, std::ratio<60>>(max_minutes));
  says_so = !retrace::launched_as_rank();
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) handle(signal);
  std::signal(SIGXFSZ, SIG_IGN);
}

bool Stop::wanted() const { return received != 0 || Clock::now() >= end_; }

std::string Stop::reason() const {
  switch (received) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGHUP:
      return "SIGHUP";
  }
  return wanted() ? "--max-minutes" : "";
}

int Stop::status() const { return received == 0 ? 0 : 128 + received; }
