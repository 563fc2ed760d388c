// What the operating system says about this process.
#pragma once

#include <cstddef>
#include <string_view>

namespace benchmark {

/// A value of /proc/self/status in bytes: "VmRSS", or "VmHWM" for the highest that was.
/// @throws std::runtime_error where there is no such value.
std::size_t process_memory(std::string_view field);

}  // namespace benchmark
