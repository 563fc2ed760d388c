#include "ranks.hpp"

#include <dlfcn.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <iostream>
#include <new>
#include <vector>

#include "command_line.hpp"
#include "retrace/core/thread_team.hpp"

using retrace::AnyCommunicator, retrace::Index, retrace::LossValue;

namespace {

/// Loads what connects ranks by MPI, so that a program needs no MPI unless mpirun starts it.
AnyCommunicator join_by_mpi(const std::string& program) {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path(),
                              module = here / "libranks_mpi.so";
  // MPI loads modules of its own, which look for its symbols.
  void* const library = dlopen(module.c_str(), RTLD_NOW | RTLD_GLOBAL);
  const auto join = reinterpret_cast<void (*)(AnyCommunicator&, const std::string&)>(
      library ? dlsym(library, "join_ranks_by_mpi") : nullptr);
  if (!join)
    throw retrace::RankError("mpirun has started several processes, but " + module.string() +
                             " cannot be loaded: build the programs where MPI is found (Debian "
                             "package libopenmpi-dev), or start one process without mpirun");
  AnyCommunicator ranks;
  join(ranks, program);
  return ranks;
}

/// The machine of a rank and the processors that it may run on.
struct Place {
  std::array<char, 64> machine{};
  cpu_set_t processors{};

  bool operator==(const Place& other) const {
    return machine == other.machine && CPU_EQUAL(&processors, &other.processors);
  }
};

}  // namespace

void Ranks::join() {
  if (joined_ || !retrace::launched_as_rank()) return;
  all_ = join_by_mpi(program_);
  joined_ = true;
  if (!first()) std::cout.rdbuf(nullptr);
}

std::string Ranks::note() const {
  return size() > 1 ? " on each of " + std::to_string(size()) + " ranks" : "";
}

void Ranks::require_alone(const std::string& option) const {
  if (size() > 1)
    throw std::invalid_argument(option + " is for one process, but mpirun has started " +
                                std::to_string(size()) + ": leave out one of both");
}

Ranks::Part Ranks::part(Index count) const {
  const Index rank = all_.rank(), first = count * rank / size();
  return {first, count * (rank + 1) / size() - first};
}

int Ranks::threads(int wanted) {
  if (wanted > 0 || size() == 1) return wanted;
  Place own;
  gethostname(own.machine.data(), own.machine.size() - 1);
  sched_getaffinity(0, sizeof own.processors, &own.processors);
  std::vector<Place> places(static_cast<std::size_t>(size()));
  gather_values(all_, own, std::span(places));
  const auto sharing = std::count(places.begin(), places.end(), own);
  return std::max(1, retrace::ThreadTeam::processors() / static_cast<int>(sharing));
}

void Ranks::leave_files_to_first(RunOptions& options) const {
  if (first()) return;
  options.json.clear();
  options.tensorboard.clear();
  options.checkpoint_dir.clear();
}

bool Ranks::any(bool own) {
  std::vector<std::uint8_t> each(static_cast<std::size_t>(size()));
  gather_values(all_, static_cast<std::uint8_t>(own), std::span(each));
  return std::find(each.begin(), each.end(), 1) != each.end();
}

LossValue Ranks::sum(const LossValue& own) {
  std::vector<LossValue> each(static_cast<std::size_t>(size()));
  gather_values(all_, own, std::span(each));
  LossValue sum;
  for (const LossValue& of_rank : each) sum += of_rank;
  return sum;
}

void Ranks::sum(std::span<std::uint64_t> counts) {
  std::vector<std::uint64_t> each(counts.size() * static_cast<std::size_t>(size()));
  all_.gather(std::as_bytes(counts), std::as_writable_bytes(std::span(each)));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = 0;
    for (std::size_t at = i; at < each.size(); at += counts.size()) counts[i] += each[at];
  }
}

void Ranks::meet() { all_.meet(std::chrono::hours(1)); }

void Ranks::require_same(const std::string& what, const std::string& text) {
  retrace::Crc64 sum;
  sum.add(std::as_bytes(std::span(text)));
  std::vector<std::uint64_t> each(static_cast<std::size_t>(size()));
  gather_values(all_, sum.value(), std::span(each));
  const int odd = retrace::detail::odd_rank_out(each);
  if (odd >= 0) throw retrace::RankError(all_.describe(odd) + " has other " + what + " than most");
}

int run_on_ranks(const std::string& program, const std::function<int(Ranks&)>& run) {
  Ranks ranks(program);
  const auto end_all = [&](const std::string& cause) {
    ranks.join();
    if (ranks.size() > 1) ranks.all().abort(cause);
  };
  return run_and_report(program, [&] {
    try {
      return run(ranks);
    } catch (const HelpWanted&) {
      ranks.join();
      throw;
    } catch (const std::bad_alloc&) {
      end_all("out of memory: the machine has no more");
      throw;
    } catch (const std::exception& error) {
      end_all(error.what());
      throw;
    }
  });
}

int run_in_one_process(const std::string& program, const std::function<int()>& run) {
  return run_on_ranks(program, [&](Ranks& ranks) {
    ranks.join();
    ranks.require_alone(program);
    return run();
  });
}
