#include "support/process.hpp"

#include <fstream>
#include <stdexcept>
#include <string>

namespace benchmark {

std::size_t process_memory(std::string_view field) {
  const std::string start = std::string(field) + ':';
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(start)) return std::stoull(line.substr(start.size())) * 1024;
  throw std::runtime_error("/proc/self/status has no " + std::string(field));
}

}  // namespace benchmark
