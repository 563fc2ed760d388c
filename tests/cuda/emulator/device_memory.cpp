#include "cuda/emulator/device_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

#include "cuda/emulator/sanitizer.hpp"

namespace emulator {
namespace {

constexpr std::size_t address_bytes = std::size_t{64} << 30, alignment = 256, gap = 256;

/// Returns the address range of an allocation, including a gap after it that must not be accessed.
std::size_t footprint(std::size_t bytes) {
  return (bytes + alignment - 1) / alignment * alignment + gap;
}

struct sigaction other_handler;

void explain_segmentation_fault(int, siginfo_t* info, void*) {
  if (device_memory().owns(info->si_addr)) {
    const char text[] = "emulator: host code touched device memory, which only copies may access\n";
    const auto written = write(STDERR_FILENO, text, sizeof text - 1);
    static_cast<void>(written);
  }
  sigaction(SIGSEGV, &other_handler,
            nullptr);  // repeats the access, which the other handler handles
}

/// Test frameworks replace the handler, so it is checked every time.
void install_handler() {
  struct sigaction current;
  sigaction(SIGSEGV, nullptr, &current);
  if (current.sa_sigaction == explain_segmentation_fault) return;
  other_handler = current;
  struct sigaction ours {};
  ours.sa_sigaction = explain_segmentation_fault;
  ours.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigaction(SIGSEGV, &ours, nullptr);
}

}  // namespace

DeviceMemory& device_memory() {
  static DeviceMemory& only = *new DeviceMemory;
  return only;
}

void DeviceMemory::map_addresses() {
  if (base_ != nullptr) return;
  void* memory = mmap(nullptr, address_bytes, options().guard ? PROT_NONE : PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  base_ = static_cast<char*>(memory);
  size_ = address_bytes;
}

void* DeviceMemory::take_addresses(std::size_t bytes) {
  map_addresses();
  if (live_.empty() && reserved_ == 0 && open_ == 0) {
    sanitizer::allow(base_, top_);
    top_ = 0;
  }
  if (bytes > size_ || footprint(bytes) > size_ - top_) return nullptr;
  char* pointer = base_ + top_;
  top_ += footprint(bytes);
  if (open_ > 0 && options().guard) mprotect(base_, top_, PROT_READ | PROT_WRITE);
  return pointer;
}

void* DeviceMemory::reserve(std::size_t bytes) {
  void* pointer = take_addresses(bytes);
  if (pointer != nullptr) ++reserved_;
  return pointer;
}

void* DeviceMemory::allocate(std::size_t bytes, const char* by) {
  if (bytes > options().memory - std::min(options().memory, counters.live)) return nullptr;
  void* pointer = take_addresses(bytes);
  if (pointer != nullptr) revive(pointer, bytes, by);
  return pointer;
}

void DeviceMemory::revive(void* pointer, std::size_t bytes, const char* by) {
  auto* begin = static_cast<char*>(pointer);
  sanitizer::allow(begin, footprint(bytes));
  {
    const DeviceAccess access;
    std::memset(begin, 0xFF, footprint(bytes));
  }
  sanitizer::forbid(begin + bytes, footprint(bytes) - bytes);
  live_[begin] = {bytes, by, ++counters.allocations};
  counters.live += bytes;
  counters.peak = std::max(counters.peak, counters.live);
}

bool DeviceMemory::release(void* pointer) {
  const auto found = live_.find(static_cast<char*>(pointer));
  if (found == live_.end()) return false;
  const std::size_t bytes = found->second.bytes;
  {
    const DeviceAccess access;
    if (!sanitizer::forbids) {
      check_past_end(found->first, found->second);
      std::memset(pointer, 0xFF, bytes);
    }
  }
  sanitizer::forbid(pointer, footprint(bytes));
  counters.live -= bytes;
  live_.erase(found);
  for (auto& recent : recent_) recent = {};
  // Whole pages go back to the system, because the addresses stay unused.
  constexpr std::uintptr_t page = 4096;
  const auto first = (reinterpret_cast<std::uintptr_t>(pointer) + page - 1) / page * page;
  const auto last = (reinterpret_cast<std::uintptr_t>(pointer) + bytes) / page * page;
  if (last > first + 64 * page)
    madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  return true;
}

void DeviceMemory::check_past_end(const char* pointer, const Allocation& allocation) const {
  const char* end = pointer + footprint(allocation.bytes);
  const char* wrong = std::find_if(pointer + allocation.bytes, end,
                                   [](char byte) { return byte != static_cast<char>(0xFF); });
  if (wrong != end)
    report("the device allocation of " + std::to_string(allocation.bytes) + " bytes by " +
           allocation.by + " was written past its end, at byte " + std::to_string(wrong - pointer));
}

bool DeviceMemory::is_live(const void* pointer, std::size_t bytes) const {
  const auto* begin = static_cast<const char*>(pointer);
  for (const auto& recent : recent_)
    if (begin >= recent.begin && begin < recent.end)
      return bytes <= static_cast<std::size_t>(recent.end - begin);
  auto after = live_.upper_bound(begin);
  if (after == live_.begin()) return false;
  const auto& [start, allocation] = *--after;
  if (begin > start + allocation.bytes) return false;
  recent_[next_recent_++ % 4] = {start, start + allocation.bytes};
  return bytes <= static_cast<std::size_t>(start + allocation.bytes - begin);
}

void DeviceMemory::open() {
  map_addresses();
  if (open_++ == 0 && options().guard) mprotect(base_, top_, PROT_READ | PROT_WRITE);
}

void DeviceMemory::close() {
  if (--open_ > 0 || !options().guard) return;
  mprotect(base_, top_, PROT_NONE);
  install_handler();
}

std::vector<std::string> DeviceMemory::leaks() const {
  std::vector<std::string> list;
  for (const auto& [pointer, allocation] : live_)
    list.push_back(std::to_string(allocation.bytes) + " bytes of " + allocation.by +
                   ", allocation " + std::to_string(allocation.number));
  return list;
}

DeviceAccess::DeviceAccess() { device_memory().open(); }
DeviceAccess::~DeviceAccess() { device_memory().close(); }

Memory memory() { return device_memory().counters; }
bool is_device_pointer(const void* pointer) { return device_memory().owns(pointer); }
bool is_live(const void* pointer, std::size_t bytes) {
  return device_memory().is_live(pointer, bytes);
}

}  // namespace emulator
