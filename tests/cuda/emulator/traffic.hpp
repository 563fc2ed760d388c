// Counts what the threads of a kernel load and store.
//
// With Options::trace a warp's accesses are grouped as its memory unit would: the n-th time that
// lanes of a warp reach a line of source is one request for the 32-byte sectors that they touch.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "cuda/emulator/control.hpp"
#include "cuda/emulator/memory_access.hpp"

namespace emulator {

class TrafficCounter {
 public:
  void begin_launch(KernelStats& stats, int threads);
  void count(std::uintptr_t address, std::size_t bytes, Access access, const Location& where,
             int thread);
  void end_block();
  void end_launch();

 private:
  using Line = std::tuple<const char*, unsigned, Access>;
  struct Request {
    std::set<std::uintptr_t> sectors;
    std::size_t bytes = 0;
  };

  Traffic& traffic(Access access) { return access == Access::read ? stats_->read : stats_->write; }
  LineStats& line_stats(const Line& line);

  KernelStats* stats_ = nullptr;
  std::map<Line, std::size_t> numbers_;  ///< of lines
  std::vector<Line> lines_;
  std::vector<std::vector<unsigned>> reached_;  ///< [thread][line]: how often, in this block
  std::map<std::tuple<int, std::size_t, unsigned>, Request> requests_;  ///< warp, line, time
  std::unordered_set<std::uintptr_t> unique_[2];                        ///< sectors of the launch
};

}  // namespace emulator
