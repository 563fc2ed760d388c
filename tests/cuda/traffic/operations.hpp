// What operations of the CUDA backend ask of memory, counted by the emulator.
#pragma once

#include <string>
#include <vector>

namespace retrace::test {

/// Bytes of one operation on one layout of its operands.
struct OperationTraffic {
  std::string name;
  std::string layout;  ///< "packed" or "half the channels"
  double asked = 0;    ///< by loads and stores of all threads: what the first cache has to serve
  double moved = 0;    ///< in 32-byte sectors, each once a launch and direction, and copies
  double least = 0;    ///< elements read and written, as a dry device counts them
  bool fused = false;  ///< a kernel that does several passes in one
};

/// Every operation in float: packed, and on half of the channels of wider tensors where it takes
/// them.
std::vector<OperationTraffic> measure_operations();

}  // namespace retrace::test
