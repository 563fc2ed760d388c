#include "cuda/emulator/traffic.hpp"

#include <algorithm>

namespace emulator {
namespace {

constexpr std::uintptr_t sector_bytes = 32;

}  // namespace

void TrafficCounter::begin_launch(KernelStats& stats, int threads) {
  stats_ = &stats;
  if (options().trace) reached_.assign(static_cast<std::size_t>(threads), {});
}

void TrafficCounter::count(std::uintptr_t address, std::size_t bytes, Access access,
                           const Location& where, int thread) {
  traffic(access).bytes += bytes;
  if (!options().trace) return;
  const auto [line, fresh] = numbers_.try_emplace({where.file, where.line, access}, lines_.size());
  if (fresh) lines_.push_back(line->first);
  auto& reached = reached_[static_cast<std::size_t>(thread)];
  if (reached.size() <= line->second) reached.resize(line->second + 1);
  Request& request = requests_[{thread / 32, line->second, reached[line->second]++}];
  request.bytes += bytes;
  for (auto i = address / sector_bytes; i <= (address + bytes - 1) / sector_bytes; ++i) {
    request.sectors.insert(i);
    unique_[access == Access::write].insert(i);
  }
}

void TrafficCounter::end_block() {
  for (const auto& [key, request] : requests_) {
    const Line& line = lines_[std::get<1>(key)];
    traffic(std::get<Access>(line)).sectors += request.sectors.size();
    LineStats& of_line = line_stats(line);
    ++of_line.requests;
    of_line.bytes += request.bytes;
    of_line.sectors += request.sectors.size();
  }
  requests_.clear();
  for (auto& counts : reached_) counts.clear();
}

void TrafficCounter::end_launch() {
  stats_->read.unique_bytes += unique_[0].size() * sector_bytes;
  stats_->write.unique_bytes += unique_[1].size() * sector_bytes;
  for (auto& sectors : unique_) sectors.clear();
  reached_.clear();
}

LineStats& TrafficCounter::line_stats(const Line& line) {
  const std::string where = text({std::get<0>(line), std::get<1>(line)});
  const bool write = std::get<Access>(line) == Access::write;
  auto found = std::find_if(stats_->lines.begin(), stats_->lines.end(), [&](const auto& each) {
    return each.where == where && each.write == write;
  });
  if (found == stats_->lines.end()) found = stats_->lines.insert(found, {where, write});
  return *found;
}

}  // namespace emulator
