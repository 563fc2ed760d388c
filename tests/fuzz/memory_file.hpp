// What a fuzzer makes up, as a file that readers can open by its path.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::uint8_t> bytes) : number_(memfd_create("fuzz", 0)) {
    if (number_ < 0 || write(number_, bytes.data(), bytes.size()) != std::ssize(bytes))
      std::abort();
  }
  ~MemoryFile() { close(number_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(number_); }

 private:
  int number_;
};

/// Ends the fuzzer with a finding.
inline void require(bool condition) {
  if (!condition) std::abort();
}
