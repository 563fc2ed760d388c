#include "resident.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iostream>
#include <stdexcept>
#include <string>
#include <system_error>

#include "measurement.hpp"
#include "support/process.hpp"
#include "support/training.hpp"

namespace memory_table {

using namespace retrace;
using benchmark::Device, benchmark::process_memory, benchmark::Training;

namespace {

struct Seen {
  std::size_t peak, growth;
};

Seen take_step(const Configuration& configuration, Shape batch, int threads) {
  const std::size_t before = process_memory("VmRSS");
  Device device = make_device(threads);
  Training training(device, configuration.architecture, configuration.net);
  configuration.select(training.net());
  const std::size_t peak = training.measure(batch).bytes.total();
  return {peak, process_memory("VmHWM") - before};
}

/// Calls body() in a child process and returns its result.
template <class Body>
auto in_child(Body body) {
  std::array<int, 2> pipe_ends{};
  if (pipe(pipe_ends.data()) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const auto [read_end, write_end] = pipe_ends;
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  decltype(body()) result{};
  if (child == 0) {
    try {
      result = body();
      _exit(write(write_end, &result, sizeof result) == sizeof result ? 0 : 1);
    } catch (const std::exception& error) {
      std::cerr << "error: " << error.what() << '\n';
    }
    _exit(1);
  }
  close(write_end);
  const bool complete = read(read_end, &result, sizeof result) == sizeof result;
  close(read_end);
  waitpid(child, nullptr, 0);
  if (!complete) throw std::runtime_error("a child process ended before it finished measuring");
  return result;
}

/// Returns the smallest batch for which a step needs 200 MB more than between steps.
Shape smallest_batch_that_counts(const Configuration& configuration, int threads) {
  Device device = make_dry_device(threads);
  Training training(device, configuration.architecture, configuration.net);
  configuration.select(training.net());
  Shape batch{1, large_extent, large_extent, 3};
  while (training.predict(batch).bytes.total() < training.bytes_at_rest() + 200'000'000) ++batch.n;
  return batch;
}

}  // namespace

std::vector<Residence> measure_residence(Architecture architecture, const NetOptions& size,
                                         int threads) {
  std::vector<Residence> results;
  for (const Configuration& configuration : configurations(architecture, size)) {
    const Shape batch = smallest_batch_that_counts(configuration, threads);
    std::cerr << name(architecture) << ' ' << configuration.mode << ": resident growth at "
              << to_string(batch) << '\n';
    const Seen seen = in_child([&] { return take_step(configuration, batch, threads); });
    results.push_back({configuration, batch, seen.peak, seen.growth});
  }
  return results;
}

}  // namespace memory_table
