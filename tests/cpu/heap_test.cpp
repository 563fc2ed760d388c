#include "retrace/cpu/heap.hpp"

#include <cstring>
#include <limits>

#include "retrace/math/philox.hpp"
#include "support/catch.hpp"

using namespace retrace;

namespace {

struct Block {
  unsigned char* memory;
  std::size_t bytes;
  unsigned char mark;
};

/// HeapBlocks of random sizes, each filled with its own mark.
class HeapBlocks {
 public:
  HeapBlocks(cpu::Heap& heap, std::size_t most) : heap_(heap), most_(most) {}
  ~HeapBlocks() {
    while (!held_.empty()) free_one();
  }

  void allocate_one() {
    const std::size_t bytes = random_.below(8) == 0 ? random_.below(300'000) : random_.below(3000);
    const auto mark = static_cast<unsigned char>(random_.below(256));
    auto* memory = static_cast<unsigned char*>(heap_.allocate(bytes, most_));
    if (bytes > 0) std::memset(memory, mark, bytes);
    live_ += bytes;
    held_.push_back({memory, bytes, mark});
  }
  void free_one() {
    std::swap(held_[random_.below(static_cast<std::uint32_t>(held_.size()))], held_.back());
    const Block block = held_.back();
    for (std::size_t i = 0; i < block.bytes; ++i) intact_ &= block.memory[i] == block.mark;
    heap_.release(block.memory, block.bytes);
    live_ -= block.bytes;
    held_.pop_back();
  }

  std::size_t count() const { return held_.size(); }
  std::size_t live() const { return live_; }
  bool intact() const { return intact_; }
  bool flip() { return random_.below(2) == 0; }

 private:
  cpu::Heap& heap_;
  std::size_t most_, live_ = 0;
  Random random_{7};
  std::vector<Block> held_;
  bool intact_ = true;
};

}  // namespace

TEST_CASE("blocks of a heap are aligned and do not overlap") {
  cpu::Heap heap;
  HeapBlocks blocks(heap, std::numeric_limits<std::size_t>::max());
  for (int i = 0; i < 4000; ++i) {
    if (blocks.count() < 40 && blocks.flip())
      blocks.allocate_one();
    else if (blocks.count() > 0)
      blocks.free_one();
  }
  CHECK(blocks.intact());
  void* memory = heap.allocate(1, 0);
  CHECK(reinterpret_cast<std::uintptr_t>(memory) % cpu::Heap::alignment == 0);
  heap.release(memory, 1);
}

TEST_CASE("a heap holds at most the allowed free memory") {
  cpu::Heap heap;
  constexpr std::size_t most = 400'000;
  HeapBlocks blocks(heap, most);
  bool within = true;
  for (int i = 0; i < 4000; ++i) {
    if (blocks.count() < 40 && blocks.flip()) {
      blocks.allocate_one();
      const std::size_t padding = 2 * cpu::Heap::alignment * blocks.count();
      within = within && heap.held() <= std::max(most, blocks.live() + padding);
    } else if (blocks.count() > 0) {
      blocks.free_one();
    }
  }
  CHECK(within);
  CHECK(blocks.intact());
}

TEST_CASE("repeated allocations need no fresh memory") {
  cpu::Heap heap;
  constexpr std::size_t unlimited = std::numeric_limits<std::size_t>::max();
  const auto round = [&] {
    std::vector<void*> found;
    for (std::size_t bytes : {5000u, 100u, 70'000u, 0u, 64u})
      found.push_back(heap.allocate(bytes, unlimited));
    heap.release(found[1], 100);
    heap.release(found[2], 70'000);
    found.push_back(heap.allocate(60'000, unlimited));
    heap.release(found[0], 5000);
    heap.release(found[3], 0);
    heap.release(found[5], 60'000);
    heap.release(found[4], 64);
    return found;
  };
  const auto first = round();
  const std::size_t acquired = heap.acquisitions();
  CHECK(acquired > 0);
  CHECK(round() == first);
  CHECK(heap.acquisitions() == acquired);
}

TEST_CASE("memory that the machine does not have is refused") {
  cpu::Heap heap;
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  for (std::size_t bytes : {most - most / 8, most - 1, most})
    CHECK_THROWS_AS(heap.allocate(bytes, 0), std::bad_alloc);
  void* memory = heap.allocate(100, 1000);
  std::memset(memory, 1, 100);
  heap.release(memory, 100);
}
