// A team of threads that compute the pieces of an operation together.
#pragma once

#if defined(__linux__)
#include <sched.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// The calling thread and threads - 1 workers, which start when work is first shared out.
///
/// Each thread begins with its own range of pieces and then takes over pieces of the others. An
/// operation ends when its work is done: it does not wait for a thread that another process delays,
/// unless that thread has begun a piece. Waiting threads spin for some microseconds and then sleep.
/// If there are more threads than processors, they sleep at once.
class ThreadTeam {
 public:
  /// Returns the number of processors that this process may run on, at least 1.
  static int processors() {
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
    return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  }

  /// Returns the team for work that belongs to no device. The first call sets its size.
  static ThreadTeam& shared(int threads = 0) {
    static ThreadTeam team(threads);
    return team;
  }

  /// @param threads  the number of threads; 0 means one per processor.
  explicit ThreadTeam(int threads = 0)
      : threads_(std::clamp(threads > 0 ? threads : processors(), 1, most_threads)) {}
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  ~ThreadTeam() {
    state_ = stop_bit;
    state_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int threads() const { return threads_; }

  /// Calls piece(index, thread) once for each index in [0, pieces), on any threads in any order,
  /// and returns when all are done. No two pieces have the same `thread` at the same time. A single
  /// piece runs on the calling thread, and so do all pieces of a call made from within a piece.
  /// @return false, without calling any piece, if another thread is using this team.
  /// @throws any one of the exceptions that pieces throw; pieces that have not begun are skipped.
  /// @throws std::system_error if a thread cannot be started.
  template <class Piece>
  bool try_run(Index pieces, Piece&& piece) {
    const Place here = place();
    if (here.team == this) {
      for (Index i = 0; i < pieces; ++i) piece(i, here.thread);
      return true;
    }
    if (busy_.exchange(true, std::memory_order_acquire)) return false;
    const Release release{busy_};
    const At at({this, 0});
    if (threads_ == 1 || pieces <= 1) {
      for (Index i = 0; i < pieces; ++i) piece(i, 0);
    } else {
      start();
      using Body = std::remove_reference_t<Piece>;
      call_ = [](void* body, Index index, int thread) {
        (*static_cast<Body*>(body))(index, thread);
      };
      body_ = const_cast<void*>(static_cast<const void*>(&piece));
      run_together(pieces);
    }
    return true;
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// The time that threads spin before they sleep: longer than most gaps between operations of a
  /// step, shorter than the delay if another process takes the processor.
  static constexpr std::chrono::microseconds longest_spin{50};

  // One word holds the state of an operation: whether pieces are available, how many workers have
  // joined, and a number that distinguishes it from the operation before.
  static constexpr std::uint32_t open_bit = 1, stop_bit = 2, one_worker = 4, generation = 1U << 16;
  static constexpr int most_threads = generation / one_worker - 1;
  static std::uint32_t number(std::uint32_t state) { return state / generation; }
  static bool has_workers(std::uint32_t state) { return state % generation / one_worker > 0; }

  /// The pieces that one thread begins with, on a separate cache line.
  struct alignas(64) Range {
    std::atomic<Index> next = 0;
    Index end = 0;
  };

  /// The team, if any, whose piece the current thread computes, and the thread's number in it.
  struct Place {
    const ThreadTeam* team = nullptr;
    int thread = 0;
  };
  static Place& place() {
    static thread_local Place here;
    return here;
  }
  class At {
   public:
    explicit At(Place here) : outer_(place()) { place() = here; }
    ~At() { place() = outer_; }
    At(const At&) = delete;
    At& operator=(const At&) = delete;

   private:
    Place outer_;
  };

  struct Release {
    std::atomic<bool>& busy;
    ~Release() { busy.store(false, std::memory_order_release); }
  };

  void start() {
    if (ranges_.empty()) ranges_ = std::vector<Range>(static_cast<std::size_t>(threads_));
    workers_.reserve(static_cast<std::size_t>(threads_));
    while (static_cast<int>(workers_.size()) < threads_ - 1) {
      const int thread = static_cast<int>(workers_.size()) + 1;
      try {
        workers_.emplace_back([this, thread] { serve(thread); });
      } catch (const std::system_error& error) {
        throw std::system_error(error.code(), "thread " + std::to_string(thread + 1) + " of " +
                                                  std::to_string(threads_) +
                                                  " could not be started");
      }
    }
  }

  void run_together(Index pieces) {
    for (int thread = 0; thread < threads_; ++thread) {
      Range& range = ranges_[static_cast<std::size_t>(thread)];
      range.next.store(pieces * thread / threads_, std::memory_order_relaxed);
      range.end = pieces * (thread + 1) / threads_;
    }
    failed_ = false;
    finished_ = 0;
    state_ = (number(state_) + 1) * generation + open_bit;
    state_.notify_all();
    take_pieces(0);
    // A worker that arrives after this is too late to join.
    if (has_workers(state_.fetch_and(~open_bit)))
      wait(finished_, [](std::uint32_t finished) { return finished != 0; });
    if (failed_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  void serve(int thread) {
    const At at({this, thread});
    for (std::uint32_t served = 0;;) {
      std::uint32_t state = wait(state_, [&](std::uint32_t now) {
        return (now & stop_bit) || ((now & open_bit) && number(now) != served);
      });
      if (state & stop_bit) return;
      if (!state_.compare_exchange_strong(state, state + one_worker)) continue;
      served = number(state);
      take_pieces(thread);
      const std::uint32_t left = state_.fetch_sub(one_worker) - one_worker;
      if ((left & open_bit) || has_workers(left)) continue;
      finished_ = 1;
      finished_.notify_one();
    }
  }

  void take_pieces(int thread) {
    for (int k = 0; k < threads_; ++k) {
      Range& range = ranges_[static_cast<std::size_t>((thread + k) % threads_)];
      while (range.next.load(std::memory_order_relaxed) < range.end) {
        const Index index = range.next.fetch_add(1, std::memory_order_relaxed);
        if (index >= range.end || failed_.load(std::memory_order_relaxed)) break;
        try {
          call_(body_, index, thread);
        } catch (...) {
          if (!failed_.exchange(true)) failure_ = std::current_exception();
        }
      }
    }
  }

  /// Waits until `ready` accepts the value of `word`, and returns it. Spins for a while, then
  /// sleeps.
  template <class Ready>
  std::uint32_t wait(const std::atomic<std::uint32_t>& word, Ready ready) const {
    std::uint32_t value = word;
    if (ready(value)) return value;
    if (!oversubscribed_) {
      const auto end = Clock::now() + longest_spin;
      do {
        for (int i = 0; i < 32; ++i) {
          relax();
          if (value = word; ready(value)) return value;
        }
      } while (Clock::now() < end);
    }
    for (; !ready(value); value = word) word.wait(value);
    return value;
  }

  /// Yields the execution units of a core to its other hardware thread for some cycles.
  static void relax() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__ARM_ARCH_7A__)
    asm volatile("yield");
#endif
  }

  int threads_;
  bool oversubscribed_ = threads_ > processors();
  std::vector<std::thread> workers_{};
  std::atomic<bool> busy_ = false;  ///< a thread is using the team

  // The current operation.
  std::vector<Range> ranges_{};
  void (*call_)(void* body, Index index, int thread) = nullptr;
  void* body_ = nullptr;
  std::exception_ptr failure_{};
  alignas(64) std::atomic<std::uint32_t> state_ = 0;
  alignas(64) std::atomic<std::uint32_t> finished_ = 0;  ///< 1 once the last worker has left
  std::atomic<bool> failed_ = false;
};

/// Work that takes one thread less time than this is not worth waking another thread.
inline constexpr double least_shared_seconds = 20e-6;

/// Calls body(first, last) for pieces of [0, count) on the threads of ThreadTeam::shared(), for
/// work that belongs to no device. If several threads call it at once, one uses the team and each
/// of the others computes alone.
/// @param seconds  the rough time of the work on one thread
template <class Body>
void share_out(Index count, double seconds, Body body) {
  if (count <= 0) return;
  ThreadTeam& team = ThreadTeam::shared();
  const Index pieces = std::min<Index>(count, 4 * team.threads());
  const auto piece = [&](Index index, int) {
    body(count * index / pieces, count * (index + 1) / pieces);
  };
  if (seconds < least_shared_seconds || !team.try_run(pieces, piece)) body(Index{0}, count);
}

}  // namespace retrace::inline RETRACE_ISA
