// Operations between threads of a block: barriers, shuffles, votes, shared memory.
#include <algorithm>
#include <cstring>

#include "cuda/emulator/block.hpp"
#include "cuda/emulator/memory_access.hpp"

namespace emulator {

void Block::barrier(const Location& where) {
  const sanitizer::Unseen unseen;
  if (alive_ < count_)
    fail("__syncthreads at " + text(where) + ", but " + std::to_string(count_ - alive_) +
         " threads have returned");
  if (waiting_ == 0) barrier_at_ = where;
  if (barrier_at_ != where)
    fail("a divergent barrier: other threads are in __syncthreads at " + text(barrier_at_) +
         ", this one at " + text(where));
  char* order = &order_of_barriers_->block[generation_ % 2];
  sanitizer::happens_before(order);
  if (++waiting_ < count_) {
    at(current_).state = State::at_barrier;
    at(current_).at = where;
    suspend();
  } else {
    waiting_ = 0;
    ++generation_;
    for (int i = 0; i < count_; ++i)
      if (at(i).state == State::at_barrier) make_ready(i);
    yield();
  }
  sanitizer::happens_after(order);
}

std::uint64_t Block::collective(Collective kind, unsigned mask, std::uint64_t value, int source,
                                const Location& where) {
  const sanitizer::Unseen unseen;
  const int me = current_, first = me & ~31, lanes = std::min(32, count_ - first);
  if ((mask >> (me - first) & 1) == 0)
    fail("the calling lane " + std::to_string(me - first) + " is not in the mask at " +
         text(where));
  if (lanes < 32) mask &= (1u << lanes) - 1;
  Thread& self = at(me);
  self.kind = kind;
  self.mask = mask;
  self.value = value;
  self.source = source;
  self.at = where;
  self.state = State::at_collective;
  char* order = &order_of_barriers_->warp[first / 32];
  if (kind == Collective::sync) sanitizer::happens_before(order);
  if (all_arrived(first, mask)) {
    complete(first, mask);
    for (int i = first; i < first + lanes; ++i)
      if ((mask >> (i - first) & 1) != 0 && i != me) make_ready(i);
    yield();
  } else {
    suspend();
  }
  if (kind == Collective::sync) sanitizer::happens_after(order);
  return self.result;
}

/// Returns whether all lanes of the mask are in the running thread's collective.
bool Block::all_arrived(int first, unsigned mask) {
  const Thread& self = at(current_);
  bool all = true;
  for (int lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    const Thread& other = at(first + lane);
    if (other.state == State::finished)
      fail("lane " + std::to_string(lane) + " of the mask at " + text(self.at) + " has returned");
    if (other.state != State::at_collective)
      all = false;
    else if (other.mask != mask || other.kind != self.kind || other.at != self.at)
      fail("a shuffle or vote at " + text(self.at) + " meets another at " + text(other.at));
  }
  return all;
}

void Block::complete(int first, unsigned mask) {
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane)
    if ((mask >> lane & 1) != 0 && at(first + lane).value != 0) votes |= 1u << lane;
  for (int lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1) == 0) continue;
    Thread& thread = at(first + lane);
    switch (thread.kind) {
      case Collective::sync:
        break;
      case Collective::shuffle:
        if ((mask >> thread.source & 1) == 0)
          fail("a shuffle at " + text(thread.at) + " reads lane " + std::to_string(thread.source) +
               ", which is not in the mask");
        thread.result = at(first + thread.source).value;
        break;
      case Collective::ballot:
        thread.result = votes;
        break;
      case Collective::any:
        thread.result = votes != 0;
        break;
      case Collective::all:
        thread.result = votes == mask;
        break;
    }
  }
}

// ---- Shared memory ----------------------------------------------------------------------------

void* Block::shared_array(const void* key, std::size_t bytes, std::size_t alignment,
                          const Location& where) {
  const sanitizer::Unseen unseen;
  SharedMemory& array = shared_[key];
  if (!array.memory) {
    std::size_t space = bytes + alignment;
    array.memory = std::make_unique<char[]>(space);
    void* start = array.memory.get();
    array.elements = static_cast<char*>(std::align(alignment, bytes, start, space));
    array.where = where;
    std::memset(array.memory.get(), 0xFF, bytes + alignment);
    sanitizer::forbid(array.elements + bytes, space - bytes);
    shared_bytes_ = (shared_bytes_ + alignment - 1) / alignment * alignment + bytes;
    if (shared_bytes_ > 48 * 1024)
      fail("more than 48 KiB of shared memory with the array at " + text(where));
  }
  return array.elements;
}

std::string Block::describe_shared(const void* array) const {
  for (const auto& [key, memory] : shared_)
    if (memory.elements == array) return "the shared array of " + text(memory.where);
  return "a shared array";
}

// ---- The kernels' side ------------------------------------------------------------------------

void block_barrier(const Location& where) { block().barrier(where); }

std::uint64_t warp_collective(Collective kind, unsigned mask, std::uint64_t value, int source,
                              const Location& where) {
  return block().collective(kind, mask, value, source, where);
}

int lane() { return block().current() & 31; }

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment,
                   const Location& where) {
  return block().shared_array(key, bytes, alignment, where);
}

void fail_shared_index(const void* array, std::size_t index, std::size_t count) {
  fail("index " + std::to_string(static_cast<long long>(index)) + " of " + std::to_string(count) +
       " in " + block().describe_shared(array));
}

void fail(const std::string& what) {
  if (!block().running()) throw Error(what);
  block().fail(what);
}

std::string text(const Location& where) {
  const std::string file = where.file;
  return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(where.line);
}

}  // namespace emulator
