// Host memory for tensors, which returns unneeded pages to the operating system.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include "retrace/core/isa.hpp"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace retrace::inline RETRACE_ISA::cpu {

/// Allocates blocks at the lowest free address with enough room, and merges neighbouring free
/// blocks. A program that repeats its allocations, such as training steps, therefore gets the same
/// addresses again, and fresh memory only the first time.
///
/// Address space is reserved in a few large regions. The operating system supplies pages, large
/// ones if possible, when they are first written.
class Heap {
 public:
  static constexpr std::size_t alignment = 64;  // one cache line, and any vector register

  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap() {
    for (const Region& region : regions_) munmap(region.begin, region.bytes);
  }

  /// Allocates a block. Returns pages of free memory to the operating system until at most `most`
  /// bytes are held.
  /// @throws std::bad_alloc if there is no address space for that many bytes.
  void* allocate(std::size_t bytes, std::size_t most) {
    if (bytes > std::numeric_limits<std::size_t>::max() - 2 * alignment) throw std::bad_alloc();
    const std::size_t size = padded(bytes);
    free_.reserve(blocks_ + regions_.size() + 3);  // so that release() need not grow it
    auto range = std::find_if(free_.begin(), free_.end(),
                              [&](const Range& each) { return each.bytes >= size; });
    if (range == free_.end()) range = add_region(size);
    char* const memory = range->begin;
    take(range, size);
    ++blocks_;
    if (held() > most) give_back(held() - most);
    show(memory, bytes);
    return memory;
  }

  void release(void* memory, std::size_t bytes) noexcept {
    const std::size_t size = padded(bytes);
    char* const begin = static_cast<char*>(memory);
    hide(begin, size);
    --blocks_;
    live_ -= size;
    spare_ += size;
    const auto next = std::find_if(free_.begin(), free_.end(),
                                   [&](const Range& range) { return range.begin > begin; });
    auto range = free_.insert(next, {begin, size, size});
    if (range != free_.begin() && std::prev(range)->end() == begin) range = merge(range - 1);
    if (range + 1 != free_.end() && (range + 1)->begin == range->end()) merge(range);
  }

  /// Returns how many allocated blocks needed pages from the operating system.
  std::size_t acquisitions() const { return acquisitions_; }
  /// Returns an upper bound of the bytes that have pages, used and free.
  std::size_t held() const { return live_ + spare_; }

 private:
  struct Region {
    char* begin;
    std::size_t bytes;
  };
  struct Range {
    char* begin;
    std::size_t bytes;
    std::size_t paged;  ///< leading bytes that may have pages; the rest have none
    char* end() const { return begin + bytes; }
  };
  using Ranges = std::vector<Range>;

  Ranges::iterator add_region(std::size_t size) {
    const auto memory = static_cast<std::size_t>(sysconf(_SC_PHYS_PAGES)) *
                        static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    constexpr std::size_t modest = std::size_t{1} << 28;  // for 32-bit address spaces
    std::size_t bytes = std::max(size, sizeof(void*) > 4 ? memory : modest);
    void* begin = MAP_FAILED;
    for (;; bytes = std::max(size, bytes / 2)) {
      begin = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (begin != MAP_FAILED) break;
      if (bytes == size) throw std::bad_alloc();
    }
    madvise(begin, bytes, MADV_HUGEPAGE);
    const Region region{static_cast<char*>(begin), bytes};
    regions_.push_back(region);
    const auto next = std::find_if(free_.begin(), free_.end(),
                                   [&](const Range& range) { return range.begin > region.begin; });
    return free_.insert(next, {region.begin, bytes, 0});
  }

  void take(Ranges::iterator range, std::size_t size) {
    const std::size_t paged = std::min(range->paged, size);
    if (paged < size) ++acquisitions_;
    spare_ -= paged;
    live_ += size;
    *range = {range->begin + size, range->bytes - size, range->paged - paged};
    if (range->bytes == 0) free_.erase(range);
  }

  /// Merges a range with the adjacent one after it.
  Ranges::iterator merge(Ranges::iterator first) {
    const Range second = first[1];
    if (second.paged > 0) {
      spare_ += first->bytes - first->paged;
      first->paged = first->bytes + second.paged;
    }
    first->bytes += second.bytes;
    return free_.erase(first + 1) - 1;
  }

  /// Returns the pages of free ranges to the operating system, from the highest address down.
  void give_back(std::size_t bytes) noexcept {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    for (auto range = free_.rbegin(); range != free_.rend() && bytes > 0; ++range) {
      const std::size_t skip =
          (page - reinterpret_cast<std::uintptr_t>(range->begin) % page) % page;
      if (range->paged > skip)
        madvise(range->begin + skip, (range->paged - skip) / page * page, MADV_DONTNEED);
      bytes -= std::min(bytes, range->paged);
      spare_ -= std::exchange(range->paged, 0);
    }
  }

  std::vector<Region> regions_;
  Ranges free_;  // by address
  std::size_t blocks_ = 0, live_ = 0, spare_ = 0, acquisitions_ = 0;

#if defined(__SANITIZE_ADDRESS__)
  // Each block is followed by a line that must not be accessed.
  static std::size_t padded(std::size_t bytes) {
    return (bytes + 2 * alignment - 1) / alignment * alignment;
  }
  static void show(char* memory, std::size_t bytes) {
    ASAN_UNPOISON_MEMORY_REGION(memory, bytes);
    ASAN_POISON_MEMORY_REGION(memory + (bytes + 7) / 8 * 8, padded(bytes) - (bytes + 7) / 8 * 8);
  }
  static void hide(char* memory, std::size_t size) { ASAN_POISON_MEMORY_REGION(memory, size); }
#else
  static std::size_t padded(std::size_t bytes) {
    return (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  }
  static void show(char*, std::size_t) {}
  static void hide(char*, std::size_t) {}
#endif
};

}  // namespace retrace::inline RETRACE_ISA::cpu
