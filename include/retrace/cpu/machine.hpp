// The name of a machine, as far as the time of an operation depends on it.
#pragma once

#include <fstream>
#include <string>

#include "retrace/cpu/cpu.hpp"

namespace retrace::inline RETRACE_ISA {

/// Returns "AMD EPYC, avx2, 2 threads": the operating system's name of the processor, the
/// instruction set of this program, and the device's threads.
inline std::string machine_name(const Cpu& device) {
  std::string processor = "unknown processor";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      const std::size_t at = line.find(": ");
      if (at != std::string::npos) processor = line.substr(at + 2);
      break;
    }
  return processor + ", " + std::string(instruction_set) + ", " + std::to_string(device.threads()) +
         (device.threads() == 1 ? " thread" : " threads");
}

}  // namespace retrace::inline RETRACE_ISA
