// Errors of a GPU, its driver or one of its libraries.
#pragma once

#include <stdexcept>

namespace retrace {

/// Names the failed call, its source location and the library's name for the error. Thrown by
/// compiled kernels, so it is the same type for every instruction set.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace retrace
