// Where in the source something was asked for, and the error of a kernel that is wrong.
#pragma once

#include <stdexcept>
#include <string>

namespace emulator {

/// A line of source. As a default argument, current() is the line of the call.
struct Location {
  const char* file;
  unsigned line;

  static constexpr Location current(const char* file = __builtin_FILE(),
                                    unsigned line = __builtin_LINE()) {
    return {file, line};
  }
  friend bool operator==(const Location&, const Location&) = default;
};

/// "sums.cuh:42"
std::string text(const Location& where);

/// What a GPU would have answered with wrong numbers, a hang or a crash. It is thrown by the call
/// that runs the queue of a stream: a synchronisation, a copy, a free.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Ends the running kernel with an Error; outside of a kernel, throws it.
[[noreturn]] void fail(const std::string& what);

}  // namespace emulator
