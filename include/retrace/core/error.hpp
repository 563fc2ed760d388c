// The exceptions Retrace throws, and the checks that throw them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// A tensor does not have the shape an operation needs.
struct ShapeError : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

/// A layer cannot do what was asked in the state it is in.
struct StateError : std::logic_error {
  using std::logic_error::logic_error;
};

/// A file or a label does not hold what it should.
struct DataError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws ShapeError "LeakyRelu::backward: y is 2x8x8x16 but dy is 2x8x8x8" unless a == b.
inline void require_same_shape(std::string_view where, std::string_view a_name, Shape a,
                               std::string_view b_name, Shape b) {
  if (a == b) return;
  throw ShapeError(std::string(where) + ": " + std::string(a_name) + " is " + to_string(a) +
                   " but " + std::string(b_name) + " is " + to_string(b));
}

/// Throws ShapeError "Conv2d: x is 2x8x8x16 but has to have 8 channels" unless it has.
inline void require_channels(std::string_view where, std::string_view name, Shape shape,
                             Index channels) {
  if (shape.c == channels) return;
  throw ShapeError(std::string(where) + ": " + std::string(name) + " is " + to_string(shape) +
                   " but has to have " + std::to_string(channels) + " channels");
}

}  // namespace retrace::inline RETRACE_ISA
