// Exchanges data without end, until one rank fails: fault_program KIND RANK MILLISECONDS.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>

#include "retrace/parallel/mpi_communicator.hpp"

using namespace retrace;
using Clock = std::chrono::steady_clock;

namespace {

void fail(MpiCommunicator& ranks, const std::string& kind) {
  if (kind == "kill") std::raise(SIGKILL);
  if (kind == "segfault") std::raise(SIGSEGV);
  if (kind == "stop") std::raise(SIGSTOP);
  if (kind == "slow") ::sleep(60);
  if (kind == "abort") ranks.abort("no space left");
  if (kind == "exception") throw std::runtime_error("a bad file");
  if (kind == "mismatch") {
    std::vector<std::byte> all(7 * static_cast<std::size_t>(ranks.size()));
    ranks.gather(std::span(all).first(7), all);
  }
}

void run(const std::string& kind, int rank, int milliseconds) {
  MpiCommunicator ranks({.program = "fault_program",
                         .patience = std::chrono::seconds(4),
                         .silence = std::chrono::seconds(4)});
  const auto end = Clock::now() + std::chrono::milliseconds(milliseconds);
  std::vector<float> values(200'000);
  std::vector<int> all(static_cast<std::size_t>(ranks.size()));
  for (;;) {
    const Transfer sum = ranks.start_sum(std::span(values));
    if (ranks.rank() == rank && Clock::now() > end) fail(ranks, kind);
    gather_values(ranks, ranks.rank(), std::span(all));
    Transfer(sum).wait();
    ranks.broadcast(std::as_writable_bytes(std::span(values)), 1);
    if (ranks.rank() == 0 && kind == "none" && Clock::now() > end) all[0] = -1;
    ranks.broadcast(std::as_writable_bytes(std::span(all)), 0);
    if (all[0] == -1) return;
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 4) return 64;
  try {
    run(arguments[1], std::atoi(arguments[2]), std::atoi(arguments[3]));
  } catch (const std::exception& error) {
    std::cerr << "not ended: " << error.what() << '\n';
    return 65;
  }
}
