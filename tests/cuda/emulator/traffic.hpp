// Counts the loads and stores of a kernel's threads.
//
// With Options::trace, accesses are grouped by warp as in its memory unit: the n-th time that lanes
// of a warp reach a source line is one request for the 32-byte sectors that they access.
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
  std::map<Line, std::size_t> numbers_;  ///< numbers of lines
  std::vector<Line> lines_;
  std::vector<std::vector<unsigned>> reached_;  ///< [thread][line]: count in this block
  std::map<std::tuple<int, std::size_t, unsigned>, Request> requests_;  ///< warp, line, time
  std::unordered_set<std::uintptr_t> unique_[2];  ///< distinct sectors of the launch
};

}  // namespace emulator
