// The concept of a communicator, through which the ranks of a program exchange data.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// Thrown if another rank has failed, or if ranks disagree. The message names the rank.
struct RankError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An operation that runs while the caller computes.
class TransferState {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~TransferState() = default;
  /// Returns once the operation is complete. @throws RankError if another rank has failed.
  virtual void wait() = 0;
  virtual bool done() const = 0;
  /// When the operation was completed, if done().
  virtual Clock::time_point finished() const = 0;

 protected:
  TransferState() = default;
  TransferState(const TransferState&) = default;
  TransferState& operator=(const TransferState&) = default;
};

/// A handle on a transfer. The data must stay where they are until it is complete.
class Transfer {
 public:
  Transfer() = default;
  explicit Transfer(std::shared_ptr<TransferState> state) : state_(std::move(state)) {}

  /// Returns once the transfer is complete; at once if there is none.
  void wait() {
    if (state_) state_->wait();
  }
  bool done() const { return !state_ || state_->done(); }
  TransferState::Clock::time_point finished() const {
    return state_ ? state_->finished() : TransferState::Clock::time_point{};
  }

 private:
  std::shared_ptr<TransferState> state_;
};

/// Connects `size` ranks, 0 to size − 1, that run the same program. All ranks must call the same
/// operations with the same sizes in the same order; sums have an order of their own.
///
///   start_sum(values)        begins to replace values by their sums over all ranks. The order of
///                            additions is fixed: every run with as many ranks gives the same bits,
///                            on every rank
///   gather(own, all)         sets `all` to the bytes of all ranks, in their order, on every rank
///   broadcast(bytes, root)   sets the bytes to those of rank `root`
///   describe(rank)           "rank 2 of 4 on node7"
///   abort(cause)             ends the program on all ranks with one message, which names this rank
///                            and the cause
template <class C>
concept Communicator = requires(C ranks, const C& constant, std::span<float> floats,
                                std::span<double> doubles, std::span<std::byte> bytes,
                                std::span<const std::byte> own, const std::string& cause) {
  { constant.size() } -> std::same_as<int>;
  { constant.rank() } -> std::same_as<int>;
  { ranks.start_sum(floats) } -> std::same_as<Transfer>;
  { ranks.start_sum(doubles) } -> std::same_as<Transfer>;
  ranks.gather(own, bytes);
  ranks.broadcast(bytes, 0);
  { constant.describe(0) } -> std::same_as<std::string>;
  { constant.bytes_sent() } -> std::convertible_to<unsigned long long>;
  ranks.abort(cause);
};

/// Whether this process was started by mpirun, srun or the like.
inline bool launched_as_rank() {
  const char* const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"};
  return std::ranges::any_of(names, [](const char* name) { return std::getenv(name) != nullptr; });
}

/// Gathers one object of every rank.
template <class C, class Value>
void gather_values(C& ranks, const Value& own, std::span<Value> all) {
  ranks.gather(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(all));
}

}  // namespace retrace::inline RETRACE_ISA
