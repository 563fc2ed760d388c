// The exceptions Retrace throws, and the checks that throw them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "retrace/core/memory_meter.hpp"
#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// An exception whose message begins with the name of the current layer:
/// "level2.block0.f.conv0: Conv2d: x is 2x8x8x15 but must have 16 channels".
template <class Standard>
class Located : public Standard {
 public:
  explicit Located(std::string message, std::string place = {})
      : Standard(place.empty() ? message : place + ": " + message),
        message_(std::move(message)),
        place_(std::move(place)) {}

  /// The current layer, "level2.block0.f.conv0"; "" outside any chain.
  const std::string& place() const { return place_; }
  /// The message without the layer's name.
  const std::string& message() const { return message_; }

 private:
  std::string message_, place_;
};

/// A tensor does not have the shape that an operation needs.
struct ShapeError : Located<std::invalid_argument> {
  using Located::Located;
};

/// A layer cannot do what was called for in its current state.
struct StateError : Located<std::logic_error> {
  using Located::Located;
};

/// A file, a batch or a label has invalid contents.
struct DataError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws the current exception again. `name`, the current part of a network, is prepended to the
/// place of a ShapeError or StateError.
[[noreturn]] inline void rethrow_within(std::string_view name) {
  const auto within = [&](const std::string& inner) {
    return inner.empty() ? std::string(name) : std::string(name) + '.' + inner;
  };
  try {
    throw;
  } catch (const ShapeError& error) {
    throw ShapeError(error.message(), within(error.place()));
  } catch (const StateError& error) {
    throw StateError(error.message(), within(error.place()));
  }
}

/// Runs `body`. If it throws a ShapeError or StateError, `name`, the current part of a network, is
/// prepended to the error's place.
template <class Body>
decltype(auto) named(std::string_view name, Body body) {
  try {
    return body();
  } catch (...) {
    rethrow_within(name);
  }
}

/// Like named(); also names `name` as the place of memory peaks.
template <class Body>
decltype(auto) at_place(MemoryMeter& meter, std::string_view name, Body body) {
  const MemoryMeter::Place place(meter, name);
  return named(name, std::move(body));
}

/// Throws ShapeError "LeakyRelu: y is 2x8x8x16 but dy is 2x8x8x8" unless a == b.
inline void require_same_shape(std::string_view where, std::string_view a_name, Shape a,
                               std::string_view b_name, Shape b) {
  if (a == b) return;
  throw ShapeError(std::string(where) + ": " + std::string(a_name) + " is " + to_string(a) +
                   " but " + std::string(b_name) + " is " + to_string(b));
}

/// Throws ShapeError "Conv2d: x is 2x8x8x16 but must have 8 channels" unless it has that many.
inline void require_channels(std::string_view where, std::string_view name, Shape shape,
                             Index channels) {
  if (shape.c == channels) return;
  throw ShapeError(std::string(where) + ": " + std::string(name) + " is " + to_string(shape) +
                   " but must have " + std::to_string(channels) + " channels");
}

}  // namespace retrace::inline RETRACE_ISA
