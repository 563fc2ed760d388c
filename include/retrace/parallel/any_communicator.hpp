// A communicator of any type, or of a single rank: for programs that choose when they start.
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "retrace/parallel/communicator.hpp"

namespace retrace::inline RETRACE_ISA {

/// Hides the type of a communicator. Without one, the program is the only rank:
///
///     AnyCommunicator ranks;
///     if (MpiCommunicator::launched()) ranks = AnyCommunicator::of<MpiCommunicator>();
class AnyCommunicator {
 public:
  AnyCommunicator() = default;
  /// Makes a communicator of type C from the arguments.
  template <Communicator C, class... Arguments>
  static AnyCommunicator of(Arguments&&... arguments) {
    AnyCommunicator any;
    any.inside_ = std::make_unique<Of<C>>(std::forward<Arguments>(arguments)...);
    return any;
  }

  int size() const { return inside_ ? inside_->size() : 1; }
  int rank() const { return inside_ ? inside_->rank() : 0; }
  int local_rank() const { return inside_ ? inside_->local_rank() : 0; }
  std::string describe(int rank) const { return inside_ ? inside_->describe(rank) : "rank 0 of 1"; }
  std::uint64_t bytes_sent() const { return inside_ ? inside_->bytes_sent() : 0; }

  Transfer start_sum(std::span<float> values) {
    return inside_ ? inside_->start_sum(values) : Transfer();
  }
  Transfer start_sum(std::span<double> values) {
    return inside_ ? inside_->start_sum(values) : Transfer();
  }
  void gather(std::span<const std::byte> own, std::span<std::byte> all) {
    if (inside_) return inside_->gather(own, all);
    std::copy(own.begin(), own.end(), all.begin());
  }
  void broadcast(std::span<std::byte> bytes, int root) {
    if (inside_) inside_->broadcast(bytes, root);
  }
  bool answer_gather() { return inside_ && inside_->answer_gather(); }
  /// Returns once all ranks have called it. This rank waits at most that long.
  void meet(std::chrono::duration<double> longest) {
    if (inside_) inside_->meet(longest);
  }
  /// Ends the program, on all ranks if there are several.
  [[noreturn]] void abort(const std::string& cause) {
    if (inside_) inside_->abort(cause);
    throw RankError(cause);
  }

 private:
  struct Base {
    Base() = default;
    Base(const Base&) = delete;
    Base& operator=(const Base&) = delete;
    virtual ~Base() = default;
    virtual int size() const = 0;
    virtual int rank() const = 0;
    virtual int local_rank() const = 0;
    virtual std::string describe(int rank) const = 0;
    virtual std::uint64_t bytes_sent() const = 0;
    virtual Transfer start_sum(std::span<float> values) = 0;
    virtual Transfer start_sum(std::span<double> values) = 0;
    virtual void gather(std::span<const std::byte> own, std::span<std::byte> all) = 0;
    virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
    virtual bool answer_gather() = 0;
    virtual void meet(std::chrono::duration<double> longest) = 0;
    [[noreturn]] virtual void abort(const std::string& cause) = 0;
  };

  template <class C>
  struct Of final : Base {
    template <class... Arguments>
    explicit Of(Arguments&&... arguments) : ranks(std::forward<Arguments>(arguments)...) {}

    int size() const override { return ranks.size(); }
    int rank() const override { return ranks.rank(); }
    int local_rank() const override {
      if constexpr (requires { ranks.local_rank(); })
        return ranks.local_rank();
      else
        return 0;
    }
    std::string describe(int rank) const override { return ranks.describe(rank); }
    std::uint64_t bytes_sent() const override { return ranks.bytes_sent(); }
    Transfer start_sum(std::span<float> values) override { return ranks.start_sum(values); }
    Transfer start_sum(std::span<double> values) override { return ranks.start_sum(values); }
    void gather(std::span<const std::byte> own, std::span<std::byte> all) override {
      ranks.gather(own, all);
    }
    void broadcast(std::span<std::byte> bytes, int root) override { ranks.broadcast(bytes, root); }
    bool answer_gather() override {
      if constexpr (requires { ranks.answer_gather(); }) return ranks.answer_gather();
      throw RankError(ranks.describe(ranks.rank()) +
                      " has left a pass, which this communicator cannot continue");
    }
    void meet(std::chrono::duration<double> longest) override {
      if constexpr (requires { typename C::Patience; }) {
        const typename C::Patience patience(ranks, longest);
        meet();
      } else {
        meet();
      }
    }
    [[noreturn]] void abort(const std::string& cause) override { ranks.abort(cause); }

    void meet() {
      const std::byte own{};
      std::vector<std::byte> all(static_cast<std::size_t>(ranks.size()));
      ranks.gather({&own, 1}, all);
    }
    C ranks;
  };

  std::unique_ptr<Base> inside_;
};

static_assert(Communicator<AnyCommunicator>);

}  // namespace retrace::inline RETRACE_ISA
