// The memory of the emulated device: a separate range of addresses. No address is reused while
// anything is allocated.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "cuda/emulator/control.hpp"

namespace emulator {

class DeviceMemory {
 public:
  /// Fills the memory with NaN. Returns nullptr if the device is full. `by` names a leak.
  void* allocate(std::size_t bytes, const char* by);

  /// Reserves addresses for an allocation that each launch of a graph makes.
  void* reserve(std::size_t bytes);
  void revive(void* pointer, std::size_t bytes, const char* by);
  void unreserve() { --reserved_; }

  /// Returns false if nothing lives at this address. Reports undetected writes past the end.
  bool release(void* pointer);

  bool owns(const void* pointer) const { return pointer >= base_ && pointer < base_ + size_; }
  bool is_live(const void* pointer, std::size_t bytes) const;

  void open();
  void close();

  std::vector<std::string> leaks() const;
  Memory counters;

 private:
  struct Allocation {
    std::size_t bytes;
    const char* by;
    std::size_t number;
  };
  using Allocations = std::map<const char*, Allocation>;

  void map_addresses();
  void* take_addresses(std::size_t bytes);
  void check_past_end(const char* pointer, const Allocation& allocation) const;

  char* base_ = nullptr;
  std::size_t size_ = 0, top_ = 0;
  int open_ = 0, reserved_ = 0;
  Allocations live_;
  mutable struct {
    const char *begin = nullptr, *end = nullptr;
  } recent_[4];  ///< recently accessed allocations, found without a search
  mutable unsigned next_recent_ = 0;
};

DeviceMemory& device_memory();

}  // namespace emulator
