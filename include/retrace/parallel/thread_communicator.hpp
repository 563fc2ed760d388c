// Ranks that are threads of one process: for tests, and for one network per NUMA node.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "retrace/parallel/communicator.hpp"
#include "retrace/parallel/ring.hpp"

namespace retrace::inline RETRACE_ISA {

/// The shared part of the ThreadCommunicators of a process. Every operation is a *meeting* of all
/// ranks: the last one to arrive does the work.
class ThreadGroup {
 public:
  explicit ThreadGroup(int size) : size_(size) {
    if (size < 1)
      throw std::invalid_argument("ThreadGroup: the number of ranks is " + std::to_string(size) +
                                  ", but has to be at least 1");
  }
  int size() const { return size_; }

  enum class Kind { sum, gather, broadcast };

  /// One operation of all ranks.
  struct Meeting {
    explicit Meeting(std::size_t ranks) : parts(ranks), results(ranks) {}

    std::size_t bytes = 0;
    int arrived = 0;
    std::vector<const void*> parts;
    std::vector<void*> results;
    bool done = false;
    TransferState::Clock::time_point finished{};
  };

  /// Arrives at operation `number` of its kind. The last rank calls work(meeting).
  template <class Work>
  std::shared_ptr<Meeting> arrive(Kind kind, std::uint64_t number, int rank, std::size_t bytes,
                                  const void* part, void* result, Work work) {
    const std::lock_guard lock(mutex_);
    require_running();
    auto& meeting = meetings_[{kind, number}];
    if (!meeting) {
      meeting = std::make_shared<Meeting>(static_cast<std::size_t>(size_));
      meeting->bytes = bytes;
    } else if (meeting->bytes != bytes) {
      failure_ = "rank " + std::to_string(rank) + " of " + std::to_string(size_) + " brings " +
                 std::to_string(bytes) + " bytes to operation " + std::to_string(number) +
                 ", but another rank brings " + std::to_string(meeting->bytes);
      changed_.notify_all();
      throw RankError(*failure_);
    }
    meeting->parts[static_cast<std::size_t>(rank)] = part;
    meeting->results[static_cast<std::size_t>(rank)] = result;
    auto present = meeting;
    if (++meeting->arrived == size_) {
      work(*present);
      present->finished = TransferState::Clock::now();
      present->done = true;
      meetings_.erase({kind, number});
      changed_.notify_all();
    }
    return present;
  }
  /// The bytes that other ranks bring to that operation, or 0 if none has arrived.
  std::size_t waiting_bytes(Kind kind, std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    require_running();
    const auto found = meetings_.find({kind, number});
    return found == meetings_.end() ? 0 : found->second->bytes;
  }
  void wait(const Meeting& meeting) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return meeting.done || failure_; });
    if (!meeting.done) require_running();
  }
  bool done(const Meeting& meeting) {
    const std::lock_guard lock(mutex_);
    return meeting.done;
  }

  /// Ends the operations of all ranks with a RankError.
  void fail(const std::string& message) {
    const std::lock_guard lock(mutex_);
    if (!failure_) failure_ = message;
    changed_.notify_all();
  }

 private:
  void require_running() const {
    if (failure_) throw RankError(*failure_);
  }

  int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::pair<Kind, std::uint64_t>, std::shared_ptr<Meeting>> meetings_;
  std::optional<std::string> failure_;
};

/// One rank of a ThreadGroup, used by one thread.
class ThreadCommunicator {
 public:
  /// The group must outlive this object.
  ThreadCommunicator(ThreadGroup& group, int rank) : group_(&group), rank_(rank) {}

  int size() const { return group_->size(); }
  int rank() const { return rank_; }
  std::string describe(int rank) const {
    return "rank " + std::to_string(rank) + " of " + std::to_string(size()) + " in this process";
  }
  /// The bytes that a ring would have sent.
  std::uint64_t bytes_sent() const { return bytes_sent_; }

  template <class T>
  Transfer start_sum(std::span<T> values) {
    count_sent(values.size_bytes() * 2 / static_cast<std::size_t>(size()));
    auto meeting =
        group_->arrive(ThreadGroup::Kind::sum, sums_++, rank_, values.size_bytes(), values.data(),
                       values.data(), [&](const ThreadGroup::Meeting& all) {
                         std::vector<T*> vectors;
                         for (void* each : all.results) vectors.push_back(static_cast<T*>(each));
                         ring::sum_in_place(std::span<T* const>(vectors), values.size());
                       });
    return Transfer(std::make_shared<Wait>(*group_, std::move(meeting), describe(rank_)));
  }

  void gather(std::span<const std::byte> own, std::span<std::byte> all) {
    require_room("gather", all.size(), own.size() * static_cast<std::size_t>(size()));
    count_sent(own.size());
    const auto meeting = group_->arrive(
        ThreadGroup::Kind::gather, gathers_++, rank_, own.size(), own.data(), all.data(),
        [&](const ThreadGroup::Meeting& met) {
          for (void* result : met.results)
            for (std::size_t r = 0; r < met.parts.size(); ++r)
              copy(static_cast<std::byte*>(result) + r * own.size(), met.parts[r], own.size());
        });
    group_->wait(*meeting);
  }

  /// If another rank has begun the next gather, takes part in it with bytes 0xFF, which are NaN as
  /// numbers. Returns whether it did.
  bool answer_gather() {
    const std::size_t bytes = group_->waiting_bytes(ThreadGroup::Kind::gather, gathers_);
    if (bytes == 0) return false;
    const std::vector<std::byte> own(bytes, std::byte{0xFF});
    std::vector<std::byte> all(bytes * static_cast<std::size_t>(size()));
    gather(own, all);
    return true;
  }

  void broadcast(std::span<std::byte> bytes, int root) {
    const auto meeting =
        group_->arrive(ThreadGroup::Kind::broadcast, broadcasts_++, rank_, bytes.size(),
                       bytes.data(), bytes.data(), [&](const ThreadGroup::Meeting& met) {
                         const auto from = static_cast<std::size_t>(root);
                         for (std::size_t r = 0; r < met.results.size(); ++r)
                           if (r != from) copy(met.results[r], met.parts[from], bytes.size());
                       });
    group_->wait(*meeting);
  }

  /// Every operation of another rank then throws RankError with this message.
  [[noreturn]] void abort(const std::string& cause) {
    const std::string message = describe(rank_) + ": " + cause;
    group_->fail(message);
    throw RankError(message);
  }

 private:
  class Wait final : public TransferState {
   public:
    Wait(ThreadGroup& group, std::shared_ptr<ThreadGroup::Meeting> meeting, std::string rank)
        : group_(group), meeting_(std::move(meeting)), rank_(std::move(rank)) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    /// Ends the operations of all ranks if this one is not complete: its vector may be freed now.
    ~Wait() override {
      if (!group_.done(*meeting_)) group_.fail(rank_ + ": has left a sum that is not complete");
    }
    void wait() override { group_.wait(*meeting_); }
    bool done() const override { return group_.done(*meeting_); }
    Clock::time_point finished() const override { return meeting_->finished; }

   private:
    ThreadGroup& group_;
    std::shared_ptr<ThreadGroup::Meeting> meeting_;
    std::string rank_;
  };

  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes > 0) std::memmove(to, from, bytes);
  }
  static void require_room(const char* what, std::size_t bytes, std::size_t needed) {
    if (bytes != needed)
      throw std::invalid_argument("ThreadCommunicator::" + std::string(what) +
                                  ": there is room for " + std::to_string(bytes) +
                                  " bytes, but all ranks bring " + std::to_string(needed));
  }
  void count_sent(std::size_t bytes) {
    bytes_sent_ += bytes * static_cast<std::size_t>(size() - 1);
  }

  ThreadGroup* group_;
  int rank_;
  std::uint64_t sums_ = 0, gathers_ = 0, broadcasts_ = 0, bytes_sent_ = 0;
};

static_assert(Communicator<ThreadCommunicator>);

/// Calls body(communicator) on one thread for each of `size` ranks. If a body throws, the
/// operations of the other ranks throw RankError.
/// @throws the first exception of a body, once all threads have ended.
template <class Body>
void run_ranks(int size, Body body) {
  ThreadGroup group(size);
  std::mutex mutex;
  std::exception_ptr first;
  const auto run = [&](int rank) {
    try {
      body(ThreadCommunicator(group, rank));
    } catch (const std::exception& error) {
      {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
      }
      group.fail("rank " + std::to_string(rank) + " of " + std::to_string(size) +
                 " in this process: " + error.what());
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank) threads.emplace_back(run, rank);
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace retrace::inline RETRACE_ISA
