// Collective operations over MPI's messages, each a state machine that never blocks.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/parallel/communicator.hpp"
#include "retrace/parallel/ring.hpp"

/// These classes are used by the thread of an MpiCommunicator alone. MPI moves bytes only, so the
/// results do not depend on the algorithms that an implementation of MPI chooses.
namespace retrace::inline RETRACE_ISA::mpi {

using Clock = TransferState::Clock;

/// Thrown if a call of MPI fails, which it does when a rank has ended.
struct CallFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// @throws CallFailed with MPI's text unless the code is MPI_SUCCESS.
inline void require(int code) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw CallFailed(std::string("MPI: ") + text.data());
}

/// The ranks, and the messages between them.
struct World {
  MPI_Comm comm = MPI_COMM_NULL;
  int rank = 0, size = 1;
  std::atomic<std::uint64_t> bytes_sent = 0;

  int modulo(int r) const { return ((r % size) + size) % size; }
};

/// At most one message in each direction.
class Exchange {
 public:
  explicit Exchange(World& world) : world_(world) {}
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  ~Exchange() {
    for (MPI_Request& request : requests_)
      if (request != MPI_REQUEST_NULL) {
        MPI_Cancel(&request);
        MPI_Request_free(&request);
      }
  }

  void send(const void* data, std::size_t bytes, int to, int tag) {
    world_.bytes_sent += bytes;
    require(
        MPI_Isend(data, static_cast<int>(bytes), MPI_BYTE, to, tag, world_.comm, requests_.data()));
  }
  void receive(void* data, std::size_t bytes, int from, int tag) {
    expected_ = bytes;
    from_ = from;
    require(
        MPI_Irecv(data, static_cast<int>(bytes), MPI_BYTE, from, tag, world_.comm, &requests_[1]));
  }
  /// Returns whether both messages are complete.
  /// @throws RankError if a message has another size than the receiver expects.
  bool done() {
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (requests_[i] == MPI_REQUEST_NULL) continue;
      int complete = 0;
      MPI_Status status;
      require(MPI_Test(&requests_[i], &complete, &status));
      if (!complete) return false;
      if (i == 1) require_size(status);
    }
    return true;
  }

 private:
  void require_size(const MPI_Status& status) const {
    int bytes = 0;
    require(MPI_Get_count(&status, MPI_BYTE, &bytes));
    if (static_cast<std::size_t>(bytes) != expected_)
      throw RankError("rank " + std::to_string(from_) + " sends " + std::to_string(bytes) +
                      " bytes where " + std::to_string(expected_) +
                      " are expected: ranks do not call the same operations");
  }

  World& world_;
  std::array<MPI_Request, 2> requests_{MPI_REQUEST_NULL, MPI_REQUEST_NULL};
  std::size_t expected_ = 0;
  int from_ = 0;
};

/// An operation in progress. The thread that called it waits for it by wait().
class Operation : public TransferState {
 public:
  explicit Operation(World& in) : world(in) {}

  /// Sends and receives what it can. Returns whether it is complete.
  virtual bool advance() = 0;
  /// Whether the caller does nothing but wait for it.
  virtual bool urgent() const { return true; }
  virtual const char* kind() const = 0;

  void wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_.load(); });
    if (!error_.empty()) throw RankError(error_);
  }
  /// Returns once the operation is complete or has been withdrawn.
  void wait_quietly() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_.load(); });
  }
  bool done() const override { return done_; }
  Clock::time_point finished() const override { return finished_; }

  void finish(const std::string& error = {}) {
    const std::lock_guard lock(mutex_);
    finished_ = Clock::now();
    error_ = error;
    done_ = true;
    changed_.notify_all();
  }

  Clock::time_point moved = Clock::now();  ///< when a message was last completed

 protected:
  World& world;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> done_ = false;
  Clock::time_point finished_{};
  std::string error_;
};

/// Replaces a vector by its sum over all ranks, in the order of ring::Layout. Some slices are on
/// their way at the same time, so that a message is being sent while the next one is added.
template <class T>
class RingSum final : public Operation {
 public:
  RingSum(World& in, std::span<T> values, int tag)
      : Operation(in), values_(values), layout_(values.size(), sizeof(T), in.size), tag_(tag) {
    for (std::size_t i = 0; i < std::min(most_lanes, layout_.slices()); ++i)
      lanes_.push_back(std::make_unique<Lane>(in, i));
  }
  bool urgent() const override { return false; }
  const char* kind() const override { return "a sum"; }

  bool advance() override {
    for (auto& lane : lanes_)
      while (advance(*lane)) moved = Clock::now();
    return finished_slices_ == layout_.slices();
  }

 private:
  static constexpr std::size_t most_lanes = 4;

  /// The way of slices number, number + lanes, … one after another. Step s of 2(R − 1) sends
  /// segment rank − s and receives the one before.
  struct Lane {
    Lane(World& in, std::size_t lane) : exchange(in), number(lane), slice(lane) {}
    Exchange exchange;
    std::vector<T> part{};
    std::size_t number, slice;
    int step = -1;  ///< −1: the slice has not begun
  };

  int steps() const { return 2 * (world.size - 1); }
  bool adds(const Lane& lane) const { return lane.step < world.size - 1; }
  std::span<T> segment(const Lane& lane, int index) const {
    const auto range = layout_.segment(lane.slice, static_cast<std::size_t>(world.modulo(index)));
    return values_.subspan(range.first, range.count);
  }

  /// Returns whether the lane has made a step.
  bool advance(Lane& lane) {
    if (lane.step < 0) {
      if (lane.slice >= layout_.slices()) return false;
      lane.step = 0;
    } else {
      if (!lane.exchange.done()) return false;
      const std::span<T> received = segment(lane, world.rank - lane.step - 1);
      if (adds(lane)) ring::add_to(received.data(), lane.part.data(), received.size());
      if (++lane.step == steps()) {
        lane.step = -1;
        lane.slice += lanes_.size();
        ++finished_slices_;
        return true;
      }
    }
    begin_step(lane);
    return true;
  }
  void begin_step(Lane& lane) {
    const std::span<T> out = segment(lane, world.rank - lane.step),
                       in = segment(lane, world.rank - lane.step - 1);
    T* to = in.data();
    if (adds(lane)) {
      lane.part.resize(std::max(lane.part.size(), in.size()));
      to = lane.part.data();
    }
    const int tag = tag_ + static_cast<int>(lane.number);
    lane.exchange.receive(to, in.size_bytes(), world.modulo(world.rank - 1), tag);
    lane.exchange.send(out.data(), out.size_bytes(), world.modulo(world.rank + 1), tag);
  }

  std::span<T> values_;
  ring::Layout layout_;
  int tag_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t finished_slices_ = 0;
};

/// Gathers the bytes of all ranks in ⌈log₂ R⌉ steps (Bruck et al. 1997).
class Gather final : public Operation {
 public:
  Gather(World& in, std::span<const std::byte> own, std::span<std::byte> all, int tag)
      : Operation(in),
        all_(all),
        block_(own.size()),
        blocks_(all.size()),
        exchange_(in),
        tag_(tag) {
    std::copy(own.begin(), own.end(), blocks_.begin());
    begin_step();
  }
  const char* kind() const override { return "a gathering"; }

  bool advance() override {
    while (held_ < world.size) {
      if (!exchange_.done()) return false;
      moved = Clock::now();
      held_ += count();
      begin_step();
    }
    // Block i is that of rank + i.
    for (int i = 0; i < world.size; ++i)
      std::copy_n(blocks_.begin() + offset(i), block_,
                  all_.begin() + offset(world.modulo(world.rank + i)));
    return true;
  }

 private:
  int count() const { return std::min(held_, world.size - held_); }
  std::ptrdiff_t offset(int block) const { return block * static_cast<std::ptrdiff_t>(block_); }
  void begin_step() {
    if (held_ == world.size) return;
    const std::size_t bytes = static_cast<std::size_t>(count()) * block_;
    exchange_.receive(blocks_.data() + offset(held_), bytes, world.modulo(world.rank + held_),
                      tag_);
    exchange_.send(blocks_.data(), bytes, world.modulo(world.rank - held_), tag_);
  }

  std::span<std::byte> all_;
  std::size_t block_;
  std::vector<std::byte> blocks_;
  Exchange exchange_;
  int tag_, held_ = 1;
};

/// Passes bytes from the root to the rank after it, and so on, piece by piece.
class Broadcast final : public Operation {
 public:
  Broadcast(World& in, std::span<std::byte> bytes, int root, int tag)
      : Operation(in),
        bytes_(bytes),
        place_(in.modulo(in.rank - root)),
        incoming_(in),
        outgoing_(in),
        tag_(tag) {
    if (place_ == 0) received_ = pieces();
  }
  const char* kind() const override { return "a broadcast"; }

  bool advance() override {
    const bool passes_on = place_ + 1 < world.size;
    for (bool goes_on = true; goes_on;) {
      goes_on = false;
      if (received_ < pieces() && incoming_.done()) {
        if (receiving_) ++received_;
        receiving_ = received_ < pieces();
        if (receiving_)
          incoming_.receive(bytes_.data() + received_ * ring::segment_bytes, size(received_),
                            world.modulo(world.rank - 1), tag_);
        goes_on = true;
      }
      if (passes_on && sent_ < received_ && outgoing_.done()) {
        outgoing_.send(bytes_.data() + sent_ * ring::segment_bytes, size(sent_),
                       world.modulo(world.rank + 1), tag_);
        ++sent_;
        goes_on = true;
      }
      if (goes_on) moved = Clock::now();
    }
    return received_ == pieces() && (!passes_on || (sent_ == pieces() && outgoing_.done()));
  }

 private:
  std::size_t pieces() const {
    return (bytes_.size() + ring::segment_bytes - 1) / ring::segment_bytes;
  }
  std::size_t size(std::size_t piece) const {
    return std::min(ring::segment_bytes, bytes_.size() - piece * ring::segment_bytes);
  }

  std::span<std::byte> bytes_;
  int place_;  ///< ranks behind the root
  Exchange incoming_, outgoing_;
  int tag_;
  bool receiving_ = false;
  std::size_t received_ = 0, sent_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA::mpi
