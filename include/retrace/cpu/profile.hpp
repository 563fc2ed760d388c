// Where the time of a device's operations goes.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <string_view>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// What an operation does.
enum class Operation {
  convolution,
  input_gradient,
  weight_gradient,
  normalisation,
  pooling,
  movement,
  update
};

inline constexpr std::array<Operation, 7> all_operations{
    Operation::convolution,   Operation::input_gradient, Operation::weight_gradient,
    Operation::normalisation, Operation::pooling,        Operation::movement,
    Operation::update};

constexpr std::string_view name(Operation operation) {
  constexpr std::array<std::string_view, 7> names{"convolution",
                                                  "convolution, input gradient",
                                                  "convolution, weight gradient",
                                                  "normalisation and activation",
                                                  "pooling",
                                                  "copying and adding",
                                                  "update of parameters"};
  return names[static_cast<std::size_t>(operation)];
}

/// Seconds by operation, added up while a device has this profile (Cpu::set_profile).
class Profile {
 public:
  double seconds(Operation operation) const {
    return seconds_[static_cast<std::size_t>(operation)];
  }
  double total() const { return std::accumulate(seconds_.begin(), seconds_.end(), 0.0); }

  /// An operation at work for as long as this lives. One that is part of another counts nothing:
  /// the whole has its time. Without a profile it does nothing.
  class Timed {
   public:
    Timed(Profile* profile, Operation operation)
        : profile_(profile && !profile->busy_ ? profile : nullptr), operation_(operation) {
      if (!profile_) return;
      profile_->busy_ = true;
      start_ = Clock::now();
    }
    ~Timed() {
      if (!profile_) return;
      profile_->seconds_[static_cast<std::size_t>(operation_)] +=
          std::chrono::duration<double>(Clock::now() - start_).count();
      profile_->busy_ = false;
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

   private:
    using Clock = std::chrono::steady_clock;

    Profile* profile_;
    Operation operation_;
    Clock::time_point start_{};
  };

 private:
  std::array<double, all_operations.size()> seconds_{};
  bool busy_ = false;
};

}  // namespace retrace::inline RETRACE_ISA
