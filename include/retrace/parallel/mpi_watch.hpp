// Signs of life between the ranks of an MPI program, and the one message with which it ends.
#pragma once

#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "retrace/parallel/mpi_operations.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of an MpiCommunicator.
struct MpiOptions {
  std::string program = "retrace";  ///< the beginning of the message if the run fails
  /// A rank that keeps the others waiting longer than this ends the run.
  std::chrono::duration<double> patience{20};
  /// So does a rank from which there is no sign of life, even if no rank waits for it.
  std::chrono::duration<double> silence{10};
  int status = 2;  ///< exit status of a run that fails
};

}  // namespace retrace::inline RETRACE_ISA

namespace retrace::inline RETRACE_ISA::mpi {

/// Every rank sends a beat to the rank after it each second and expects one from the rank before
/// it: 'w' if it waits for others, 'c' if it computes, 'f' if a failure is being reported, 'e' if
/// it ends. A rank that fails sends a notice to rank 0, which prints it and ends the run. If rank 0
/// does not, or has been stopped meanwhile, the rank does so itself.
class Watch {
 public:
  Watch(const MpiOptions& options, MPI_Comm comm, int rank, int size)
      : options_(options), comm_(comm), rank_(rank), size_(size), heard_(Clock::now()) {
    names_.resize(static_cast<std::size_t>(size));
    std::vector<std::array<char, 64>> all(static_cast<std::size_t>(size));
    std::array<char, 64> own{};
    ::gethostname(own.data(), own.size() - 1);
    require(MPI_Allgather(own.data(), 64, MPI_BYTE, all.data(), 64, MPI_BYTE, comm));
    for (std::size_t r = 0; r < names_.size(); ++r) names_[r] = all[r].data();
    if (size == 1) return;
    listen(before_, beat_, previous(), beat_tag);
    if (rank == 0) listen(notice_, text_, MPI_ANY_SOURCE, notice_tag);
  }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  std::string describe(int rank) const {
    return "rank " + std::to_string(rank) + " of " + std::to_string(size_) + " on " +
           names_[static_cast<std::size_t>(rank)];
  }

  /// Sends and receives beats and notices.
  /// @param waits  since when this rank has been waiting in an operation, if it has
  /// @param kind   of that operation
  /// @param patience  the longest that this rank waits for others
  void look(std::optional<Clock::time_point> waits, const char* kind,
            std::chrono::duration<double> patience) {
    if (size_ == 1) return;
    const auto now = Clock::now();
    send_beat(now, failing_since_ || reported_ ? 'f' : waits ? 'w' : 'c');
    while (received(before_)) {
      heard_ = Clock::now();
      previous_waits_ = beat_[0] == 'w';
      if (beat_[0] == 'e') ended_ = true;
      if (beat_[0] == 'f' && !reported_) {  // another rank reports the failure: pass it on
        reported_ = now;
        sent_ = {};
      }
      listen(before_, beat_, previous(), beat_tag);
    }
    const bool paused = looked_ != Clock::time_point{} && now - looked_ > 2 * period;
    looked_ = now;
    if (rank_ == 0 && received(notice_) && !paused) end(text_.data());
    if (failing_since_) {
      if (now - *failing_since_ > grace) end(notice_of_own_.data());
      return;
    }
    if (reported_ && now - *reported_ < 2 * grace) return;
    if (!ended_ && now - heard_ > options_.silence)
      fail(previous(), "gives no sign of life for " + seconds(now - heard_) +
                           " s; its machine or its network is lost, or it was stopped");
    else if (waits && now - *waits > patience * (previous_waits_ ? 1.5 : 1.0))
      fail(previous(), "keeps the other ranks waiting in " + std::string(kind) + " for " +
                           seconds(now - *waits) + " s");
  }

  /// Ends the run with "program: rank 2 of 4 on node7: cause", which one rank prints. Call look()
  /// from then on.
  void fail(int rank, const std::string& cause) {
    if (failing_since_) return;
    failing_since_ = Clock::now();
    sent_ = {};
    const std::string text = describe(rank) + ": " + cause;
    text.copy(notice_of_own_.data(), notice_of_own_.size() - 1);
    if (rank_ == 0) end(notice_of_own_.data());
    require(MPI_Isend(notice_of_own_.data(), static_cast<int>(notice_of_own_.size()), MPI_BYTE, 0,
                      notice_tag, comm_, &own_notice_));
  }
  /// The same, at once and on this rank.
  [[noreturn]] void end_here(const std::string& cause) const {
    end((describe(rank_) + ": " + cause).c_str());
  }

  /// Sends the last beat to the next rank and waits for that of the previous one.
  void leave() {
    if (size_ == 1) return;
    if (beat_out_ != MPI_REQUEST_NULL) MPI_Wait(&beat_out_, MPI_STATUS_IGNORE);
    own_beat_ = {'e'};
    MPI_Send(own_beat_.data(), 1, MPI_BYTE, next(), beat_tag, comm_);
    while (!ended_) {
      MPI_Wait(&before_, MPI_STATUS_IGNORE);
      if (beat_[0] == 'e') break;
      listen(before_, beat_, previous(), beat_tag);
    }
    if (rank_ == 0) {
      MPI_Cancel(&notice_);
      MPI_Wait(&notice_, MPI_STATUS_IGNORE);
    }
  }

 private:
  static constexpr int beat_tag = 1, notice_tag = 2;
  static constexpr std::chrono::seconds period{1}, grace{3};

  int next() const { return (rank_ + 1) % size_; }
  int previous() const { return (rank_ + size_ - 1) % size_; }
  static std::string seconds(Clock::duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(duration).count());
  }

  template <class Buffer>
  void listen(MPI_Request& request, Buffer& buffer, int from, int tag) {
    require(MPI_Irecv(buffer.data(), static_cast<int>(buffer.size()), MPI_BYTE, from, tag, comm_,
                      &request));
  }
  static bool received(MPI_Request& request) {
    if (request == MPI_REQUEST_NULL) return false;
    int complete = 0;
    require(MPI_Test(&request, &complete, MPI_STATUS_IGNORE));
    return complete != 0;
  }
  void send_beat(Clock::time_point now, char state) {
    if (now - sent_ < period) return;
    if (beat_out_ != MPI_REQUEST_NULL && !received(beat_out_)) return;
    sent_ = now;
    own_beat_ = {state};
    require(MPI_Isend(own_beat_.data(), 1, MPI_BYTE, next(), beat_tag, comm_, &beat_out_));
  }

  [[noreturn]] void end(const char* message) const {
    std::fflush(stdout);
    const std::string line = options_.program + ": " + message + '\n';
    (void)!::write(STDERR_FILENO, line.data(), line.size());
    MPI_Abort(comm_, options_.status);
    std::_Exit(options_.status);
  }

  const MpiOptions& options_;
  MPI_Comm comm_;
  int rank_, size_;
  std::vector<std::string> names_;
  Clock::time_point heard_, sent_{}, looked_{};
  bool previous_waits_ = false, ended_ = false;
  std::optional<Clock::time_point> failing_since_, reported_;
  std::array<char, 1> beat_{}, own_beat_{};
  std::array<char, 1024> text_{}, notice_of_own_{};
  MPI_Request before_ = MPI_REQUEST_NULL, notice_ = MPI_REQUEST_NULL, beat_out_ = MPI_REQUEST_NULL,
              own_notice_ = MPI_REQUEST_NULL;
};

}  // namespace retrace::inline RETRACE_ISA::mpi
