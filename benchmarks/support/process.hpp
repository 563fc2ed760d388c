// Memory figures of this process from the operating system.
#pragma once

#include <cstddef>
#include <string_view>

namespace benchmark {

/// Returns a value of /proc/self/status in bytes: "VmRSS", or "VmHWM" for its peak.
/// @throws std::runtime_error if there is no such value.
std::size_t process_memory(std::string_view field);

}  // namespace benchmark
