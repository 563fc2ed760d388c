// Ranks that are processes on one or several machines, connected by MPI.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "retrace/parallel/communicator.hpp"
#include "retrace/parallel/mpi_operations.hpp"
#include "retrace/parallel/mpi_watch.hpp"

namespace retrace::inline RETRACE_ISA {

/// One process of an MPI program: `mpirun -n 4 program`. A program that is started without mpirun
/// has one rank.
///
/// A thread of its own makes all calls of MPI, so messages travel while the program computes. It
/// initialises MPI and ends it; if the program has done so already, MPI must allow calls of several
/// threads (MPI_THREAD_MULTIPLE).
///
/// If a rank fails, the run ends on all ranks with one message that names the rank, its machine and
/// the cause: a rank that calls abort() or throws, one that keeps the others waiting longer than
/// `patience`, and one without a sign of life for `silence`. If a process is killed, mpirun ends
/// the others and says so.
class MpiCommunicator {
 public:
  /// @throws RankError if MPI cannot be used.
  explicit MpiCommunicator(MpiOptions options = {})
      : options_(std::move(options)),
        exceptions_(std::uncaught_exceptions()),
        patience_(options_.patience.count()) {
    thread_ = std::thread([this] { serve(); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return started_; });
    if (error_.empty()) return;
    lock.unlock();
    thread_.join();
    throw RankError(error_);
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;
  /// Waits for the other ranks to end too. Ends the run if an exception is the reason.
  ~MpiCommunicator() {
    if (std::uncaught_exceptions() > exceptions_ && size() > 1) abort_now("ends by an exception");
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  int size() const { return world_.size; }
  int rank() const { return world_.rank; }
  /// Whether this process was started by mpirun, srun or the like.
  static bool launched() { return launched_as_rank(); }
  /// The rank among those of the same machine, such as the number of its GPU.
  int local_rank() const { return local_rank_; }
  std::string describe(int rank) const { return watch_->describe(rank); }
  /// The payload of all messages that this rank has sent.
  std::uint64_t bytes_sent() const { return world_.bytes_sent; }

  template <class T>
  Transfer start_sum(std::span<T> values) {
    if (size() == 1) return {};
    auto operation = std::make_shared<mpi::RingSum<T>>(world_, values, tag(sums_++, first_sum_tag));
    post(operation);
    return Transfer(std::make_shared<Handle>(*this, std::move(operation)));
  }
  void gather(std::span<const std::byte> own, std::span<std::byte> all) {
    if (size() == 1 && own.size() == all.size())
      return void(std::copy(own.begin(), own.end(), all.begin()));
    if (all.size() != own.size() * static_cast<std::size_t>(size()))
      throw std::invalid_argument("MpiCommunicator::gather: there is room for " +
                                  std::to_string(all.size()) + " bytes, but all ranks bring " +
                                  std::to_string(own.size() * static_cast<std::size_t>(size())));
    run(std::make_shared<LateGather>(world_, own, all, tag(gathers_++, first_gather_tag)));
  }
  /// If another rank has begun the next gather, takes part in it with bytes 0xFF, which are NaN as
  /// numbers. Returns whether it did.
  bool answer_gather() {
    if (size() == 1) return false;
    const auto probe = std::make_shared<Probe>(world_, tag(gathers_, first_gather_tag));
    run(probe);
    if (probe->bytes == 0) return false;
    const std::vector<std::byte> own(probe->bytes, std::byte{0xFF});
    std::vector<std::byte> all(probe->bytes * static_cast<std::size_t>(size()));
    gather(own, all);
    return true;
  }
  void broadcast(std::span<std::byte> bytes, int root) {
    if (size() == 1) return;
    run(std::make_shared<mpi::Broadcast>(world_, bytes, root,
                                         tag(broadcasts_++, first_broadcast_tag)));
  }

  /// Scope guard that lets this rank wait longer for others, such as while one saves a file.
  class Patience {
   public:
    Patience(MpiCommunicator& ranks, std::chrono::duration<double> longest)
        : ranks_(ranks), before_(ranks.patience_.exchange(longest.count())) {}
    ~Patience() { ranks_.patience_ = before_; }
    Patience(const Patience&) = delete;
    Patience& operator=(const Patience&) = delete;

   private:
    MpiCommunicator& ranks_;
    double before_;
  };

  /// Ends all ranks with "program: rank 2 of 4 on node7: cause".
  [[noreturn]] void abort(const std::string& cause) {
    abort_now(cause);
    std::this_thread::sleep_for(std::chrono::minutes(1));  // ended meanwhile by its own thread
    std::_Exit(options_.status);
  }

 private:
  // Tags of consecutive operations of a kind differ; MPI guarantees tags up to 32767.
  static constexpr int tags_of_a_kind = 8000, first_sum_tag = 0, first_gather_tag = 8000,
                       first_broadcast_tag = 16000;
  static int tag(std::uint64_t number, int first) {
    return first + static_cast<int>(4 * number % tags_of_a_kind);
  }

  /// A gather that begins on the thread of MPI.
  class LateGather final : public mpi::Operation {
   public:
    LateGather(mpi::World& in, std::span<const std::byte> own, std::span<std::byte> all, int tag)
        : Operation(in), own_(own), all_(all), tag_(tag) {}
    const char* kind() const override { return "an exchange"; }
    bool advance() override {
      if (!gather_) gather_.emplace(world, own_, all_, tag_);
      const bool complete = gather_->advance();
      moved = gather_->moved;
      return complete;
    }

   private:
    std::span<const std::byte> own_;
    std::span<std::byte> all_;
    int tag_;
    std::optional<mpi::Gather> gather_;
  };
  /// Looks for the first message of a gather, which has the bytes of one rank.
  class Probe final : public mpi::Operation {
   public:
    Probe(mpi::World& in, int tag) : Operation(in), tag_(tag) {}
    const char* kind() const override { return "a probe"; }
    bool advance() override {
      int found = 0, count = 0;
      MPI_Status status;
      mpi::require(MPI_Iprobe(world.modulo(world.rank + 1), tag_, world.comm, &found, &status));
      if (found) mpi::require(MPI_Get_count(&status, MPI_BYTE, &count));
      bytes = static_cast<std::size_t>(count);
      return true;
    }
    std::size_t bytes = 0;

   private:
    int tag_;
  };

  /// Takes an operation that is not complete away from the thread before its data are freed.
  class Handle final : public TransferState {
   public:
    Handle(MpiCommunicator& ranks, std::shared_ptr<mpi::Operation> operation)
        : ranks_(ranks), operation_(std::move(operation)) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() override {
      if (!operation_->done()) ranks_.withdraw(operation_);
    }
    void wait() override {
      ranks_.waiting_ = operation_.get();
      operation_->wait();
      ranks_.waiting_ = nullptr;
    }
    bool done() const override { return operation_->done(); }
    Clock::time_point finished() const override { return operation_->finished(); }

   private:
    MpiCommunicator& ranks_;
    std::shared_ptr<mpi::Operation> operation_;
  };

  void run(const std::shared_ptr<mpi::Operation>& operation) {
    post(operation);
    waiting_ = operation.get();
    operation->wait();
    waiting_ = nullptr;
  }
  void post(std::shared_ptr<mpi::Operation> operation) {
    {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(operation));
    }
    changed_.notify_all();
  }
  void withdraw(const std::shared_ptr<mpi::Operation>& operation) {
    {
      const std::lock_guard lock(mutex_);
      withdrawn_.push_back(operation);
    }
    changed_.notify_all();
    operation->wait_quietly();
  }
  void abort_now(const std::string& cause) {
    {
      const std::lock_guard lock(mutex_);
      if (!cause_) cause_ = cause;
    }
    changed_.notify_all();
  }

  // ---- On the thread of MPI ----

  void serve() {
    bool initialised_here = false;
    std::string problem;
    try {
      initialised_here = start();
    } catch (const std::exception& error) {
      problem = error.what();
    }
    {
      const std::lock_guard lock(mutex_);
      error_ = problem;
      started_ = true;
    }
    changed_.notify_all();
    if (!problem.empty()) return;
    try {
      while (serve_once()) {
      }
      watch_->leave();
    } catch (const std::exception& error) {  // of MPI, outside any operation
      watch_->end_here(error.what());
    }
    MPI_Comm_free(&world_.comm);
    MPI_Comm_free(&control_);
    if (initialised_here) MPI_Finalize();
  }

  /// Returns whether MPI was initialised here.
  bool start() {
    int initialised = 0, provided = 0;
    MPI_Initialized(&initialised);
    if (initialised) {
      MPI_Query_thread(&provided);
      if (provided < MPI_THREAD_MULTIPLE)
        throw RankError(
            "MpiCommunicator: MPI has been initialised for one thread; use "
            "MPI_Init_thread with MPI_THREAD_MULTIPLE, or leave it to the communicator");
    } else {
      MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
    }
    mpi::require(MPI_Comm_dup(MPI_COMM_WORLD, &world_.comm));
    mpi::require(MPI_Comm_dup(MPI_COMM_WORLD, &control_));
    MPI_Comm_set_errhandler(world_.comm, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(control_, MPI_ERRORS_RETURN);
    MPI_Comm_rank(world_.comm, &world_.rank);
    MPI_Comm_size(world_.comm, &world_.size);
    MPI_Comm machine = MPI_COMM_NULL;
    mpi::require(
        MPI_Comm_split_type(world_.comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine));
    MPI_Comm_rank(machine, &local_rank_);
    MPI_Comm_free(&machine);
    watch_.emplace(options_, control_, world_.rank, world_.size);
    return !initialised;
  }

  /// Moves all operations on. Returns false once the communicator is to end.
  bool serve_once() {
    std::optional<std::string> cause;
    {
      const std::lock_guard lock(mutex_);
      for (auto& operation : posted_) active_.push_back(std::move(operation));
      posted_.clear();
      for (auto& operation : withdrawn_) {
        std::erase(active_, operation);
        operation->finish();
      }
      withdrawn_.clear();
      cause = cause_;
      if (stopping_ && active_.empty() && !cause) return false;
    }
    if (cause) watch_->fail(world_.rank, *cause);
    const bool moved = advance_all();
    look_around();
    rest(moved);
    return true;
  }

  /// Returns whether an operation has moved.
  bool advance_all() {
    bool moved = false;
    std::erase_if(active_, [&](const std::shared_ptr<mpi::Operation>& operation) {
      const auto before = operation->moved;
      try {
        if (!operation->advance()) {
          moved = moved || operation->moved != before;
          return false;
        }
        operation->finish();
      } catch (const mpi::CallFailed&) {  // a rank has ended; mpirun ends the others
        if (!broken_since_) broken_since_ = Clock::now();
        return false;
      } catch (const std::exception& error) {
        operation->finish(error.what());
      }
      return moved = true;
    });
    return moved;
  }

  void look_around() {
    const auto now = Clock::now();
    if (now - looked_ < std::chrono::milliseconds(10)) return;
    looked_ = now;
    std::optional<Clock::time_point> waits;
    const char* kind = "";
    for (const auto& operation : active_)
      if (operation.get() == waiting_) {
        waits = operation->moved;
        kind = operation->kind();
      }
    try {
      watch_->look(waits, kind, std::chrono::duration<double>(patience_.load()));
    } catch (const mpi::CallFailed&) {
      if (!broken_since_) broken_since_ = now;
    }
    if (broken_since_ && now - *broken_since_ > std::chrono::seconds(5))
      watch_->fail(world_.rank, "cannot send to another rank any more");
  }

  /// Leaves the processor to the computation, unless that waits.
  void rest(bool moved) {
    const bool urgent = std::any_of(active_.begin(), active_.end(), [this](const auto& operation) {
      return operation->urgent() || operation.get() == waiting_;
    });
    if (moved) return;
    if (urgent) return std::this_thread::yield();
    if (!active_.empty()) return std::this_thread::sleep_for(std::chrono::microseconds(50));
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(20), [this] {
      return !posted_.empty() || !withdrawn_.empty() || stopping_ || cause_;
    });
  }

  using Clock = TransferState::Clock;

  MpiOptions options_;
  int exceptions_;
  std::atomic<double> patience_;  ///< seconds
  mpi::World world_;
  MPI_Comm control_ = MPI_COMM_NULL;
  int local_rank_ = 0;
  std::optional<mpi::Watch> watch_;
  std::uint64_t sums_ = 0, gathers_ = 0, broadcasts_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool started_ = false, stopping_ = false;
  std::string error_;
  std::optional<std::string> cause_;  ///< of a failure of this rank
  std::vector<std::shared_ptr<mpi::Operation>> posted_, withdrawn_;
  std::atomic<const mpi::Operation*> waiting_ = nullptr;  ///< the operation that is waited for

  // Of the thread of MPI alone
  std::vector<std::shared_ptr<mpi::Operation>> active_;
  std::optional<Clock::time_point> broken_since_;
  Clock::time_point looked_{};

  std::thread thread_;
};

static_assert(Communicator<MpiCommunicator>);

}  // namespace retrace::inline RETRACE_ISA
