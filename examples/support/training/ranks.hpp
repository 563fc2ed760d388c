// The ranks of a training: the processes that mpirun has started, or this process alone.
//
//     return run_on_ranks("train_images", [&](Ranks& ranks) {
//       const Options options = parse_options(...);
//       ranks.join();        // from here on, the first rank alone prints
//       ...                  // an error ends all ranks with one message
//     });
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "retrace/parallel/any_communicator.hpp"
#include "retrace/parallel/same_state.hpp"
#include "retrace/train/loss/loss.hpp"
#include "run_options.hpp"

/// The ranks that train one network. Each one takes its part of every batch. The first one prints,
/// logs and saves.
class Ranks {
 public:
  /// Some of consecutive things.
  struct Part {
    retrace::Index first, count;
  };

  explicit Ranks(std::string program) : program_(std::move(program)) {}

  /// Connects this process with the others if mpirun has started it. Does nothing when called
  /// again. std::cout of all ranks but the first then prints nothing.
  /// @throws retrace::RankError if the program has been built without MPI.
  void join();

  int size() const { return all_.size(); }
  bool first() const { return all_.rank() == 0; }
  retrace::AnyCommunicator& all() { return all_; }

  /// Returns " on each of 2 ranks", or nothing if there is one.
  std::string note() const;
  /// @throws std::invalid_argument if there are several ranks, but the option is for one process.
  void require_alone(const std::string& option) const;
  /// Returns this rank's part of `count` things: images of a batch, windows of a text.
  Part part(retrace::Index count) const;
  /// Returns the threads that each rank computes with, 0 if that is left to the device. Ranks that
  /// share processors share them equally unless --threads is given.
  int threads(int wanted);
  /// Removes from the options of all ranks but the first the files that a training writes.
  void leave_files_to_first(RunOptions& options) const;

  /// Returns whether it is true on any rank.
  bool any(bool own);
  /// Returns the sum over all ranks, with the same bits on each.
  retrace::LossValue sum(const retrace::LossValue& own);
  void sum(std::span<std::uint64_t> counts);
  /// Waits for all ranks, however long the first one saves, or one of them reads.
  void meet();
  /// @throws retrace::RankError unless the text is the same on all ranks. The message names it by
  ///         `what` and a rank that has another one.
  void require_same(const std::string& what, const std::string& text);

  /// Gives all ranks the tensors and the state of the first one's trainer.
  template <class Trainer>
  void share(Trainer& trainer) {
    if (size() == 1) return;
    retrace::broadcast_state(trainer.tensors(), all_);
    auto state = trainer.state();
    all_.broadcast(std::as_writable_bytes(std::span(&state, 1)), 0);
    trainer.continue_from(state);
  }

 private:
  std::string program_;
  bool joined_ = false;
  retrace::AnyCommunicator all_;
};

/// Returns the result of `run`, as run_and_report does. If it throws on one of several ranks, all
/// of them end with one message, which names the rank.
int run_on_ranks(const std::string& program, const std::function<int(Ranks&)>& run);

/// Returns the result of a program that trains in one process. On several ranks, which would write
/// the same files, it ends with one message instead.
int run_in_one_process(const std::string& program, const std::function<int()>& run);
