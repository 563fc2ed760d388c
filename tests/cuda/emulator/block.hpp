// One block of threads: scheduling and waiting.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cuda/emulator/fibre.hpp"
#include "cuda/emulator/location.hpp"
#include "cuda/emulator/threads.hpp"

namespace emulator {

class Block {
 public:
  /// Sets the shape of the following blocks, and the order in which their threads start and resume:
  /// shuffled by `seed`, or by number if it is 0.
  void begin_launch(dim3 shape, unsigned seed);
  void end_launch();

  /// Runs every thread of a block to its end. Returns an error message, or "".
  std::string run(const std::function<void()>& thread);

  bool running() const { return current_ >= 0; }
  int current() const { return current_; }
  std::size_t shared_bytes() const { return shared_bytes_; }

  // For the running thread:
  void barrier(const Location& where);
  std::uint64_t collective(Collective kind, unsigned mask, std::uint64_t value, int source,
                           const Location& where);
  void* shared_array(const void* key, std::size_t bytes, std::size_t alignment,
                     const Location& where);
  std::string describe_shared(const void* array) const;
  [[noreturn]] void fail(const std::string& what);

 private:
  enum class State { not_started, ready, at_barrier, at_collective, finished };

  struct Stop {};  ///< thrown to leave a faulty kernel

  struct Thread {
    uint3 index;
    Fibre* fibre = nullptr;
    State state = State::not_started;
    Location at{};
    // The current collective:
    Collective kind{};
    unsigned mask = 0;
    std::uint64_t value = 0, result = 0;
    int source = 0;
  };

  struct SharedMemory {
    std::unique_ptr<char[]> memory;
    char* elements;
    Location where;
  };

  static void work(Fibre& fibre);
  void run_thread(Fibre& fibre);
  void start_next();
  void resume_next();
  void suspend();
  void make_ready(int thread);
  void yield();
  Thread& at(int i) { return threads_[static_cast<std::size_t>(i)]; }
  bool all_arrived(int first, unsigned mask);
  void complete(int first, unsigned mask);
  void describe_deadlock();
  void drop_fibres();
  void forget();

  int count_ = 0, next_ = 0, alive_ = 0, waiting_ = 0, current_ = -1;
  Location barrier_at_{};  ///< where the first waiting thread waits
  std::vector<Thread> threads_;
  std::vector<int> order_, ready_;
  std::size_t first_ready_ = 0;
  bool shuffled_ = false;
  std::mt19937 random_;
  const std::function<void()>* thread_ = nullptr;
  std::string error_;
  std::map<const void*, SharedMemory> shared_;
  std::size_t shared_bytes_ = 0;
  std::vector<std::unique_ptr<Fibre>> fibres_;
  std::vector<Fibre*> idle_;

  /// Their addresses order accesses for ThreadSanitizer. Each block has new memory for its
  /// barriers: otherwise they would order one block before the next.
  struct BarrierOrder {
    char block[2], warp[32];
  };
  char launched_ = 0, done_ = 0;
  std::unique_ptr<BarrierOrder> order_of_barriers_;
  unsigned generation_ = 0;
};

Block& block();

}  // namespace emulator
