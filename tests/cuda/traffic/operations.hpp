// Memory traffic of the CUDA backend's operations, counted by the emulator.
#pragma once

#include <string>
#include <vector>

namespace retrace::test {

/// Bytes of one operation on one layout of its operands.
struct OperationTraffic {
  std::string name;
  std::string layout;  ///< "packed" or "half the channels"
  double asked = 0;    ///< by loads and stores of all threads, before caches
  double moved = 0;    ///< in 32-byte sectors, each once per launch and direction, and copies
  double least = 0;    ///< elements read and written, as a dry device counts them
  bool fused = false;  ///< one kernel instead of several passes
};

/// Measures every operation in float: packed, and on half of the channels of wider tensors if the
/// operation supports it.
std::vector<OperationTraffic> measure_operations();

}  // namespace retrace::test
