// What a GPU, its driver or one of its libraries reports.
#pragma once

#include <stdexcept>

namespace retrace {

/// Says which call failed, where, and what the library calls it. Thrown by compiled kernels, it is
/// the same for every instruction set.
struct DeviceError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace retrace
