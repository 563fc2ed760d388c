// The time of each kind of operation of a device.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <numeric>
#include <string_view>

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// The kind of an operation.
enum class Operation {
  convolution,
  input_gradient,
  weight_gradient,
  product,
  attention,
  normalisation,
  pooling,
  movement,
  update
};

inline constexpr std::array<Operation, 9> all_operations{
    Operation::convolution, Operation::input_gradient, Operation::weight_gradient,
    Operation::product,     Operation::attention,      Operation::normalisation,
    Operation::pooling,     Operation::movement,       Operation::update};

constexpr std::string_view name(Operation operation) {
  constexpr std::array<std::string_view, 9> names{"convolution",
                                                  "convolution, input gradient",
                                                  "convolution, weight gradient",
                                                  "matrix product",
                                                  "attention",
                                                  "normalisation and activation",
                                                  "pooling",
                                                  "copying and adding",
                                                  "update of parameters"};
  return names[static_cast<std::size_t>(operation)];
}

/// Seconds per kind of operation, measured while a device has this profile (Cpu::set_profile).
class Profile {
 public:
  double seconds(Operation operation) const {
    return seconds_[static_cast<std::size_t>(operation)];
  }
  double total() const { return std::accumulate(seconds_.begin(), seconds_.end(), 0.0); }

  /// Scope guard that times an operation. An operation within another one is not counted
  /// separately. Does nothing without a profile.
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
