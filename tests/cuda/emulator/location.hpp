// A source location, and the error of a faulty kernel.
#pragma once

#include <stdexcept>
#include <string>

namespace emulator {

/// A source line. As a default argument, current() is the line of the call.
struct Location {
  const char* file;
  unsigned line;

  static constexpr Location current(const char* file = __builtin_FILE(),
                                    unsigned line = __builtin_LINE()) {
    return {file, line};
  }
  friend bool operator==(const Location&, const Location&) = default;
};

/// Returns text such as "sums.cuh:42".
std::string text(const Location& where);

/// An error that would cause wrong numbers, a hang or a crash on a GPU. Thrown by the call that
/// runs the queue of a stream: a synchronisation, a copy or a free.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Ends the running kernel with an Error. Outside a kernel, throws the Error.
[[noreturn]] void fail(const std::string& what);

}  // namespace emulator
