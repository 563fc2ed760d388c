// What tests ask of the double of cuDNN.
#pragma once

#include <cstddef>
#include <vector>

namespace doubles {

/// The GPU that graphs are planned for, by its compute capability times ten: 75, 80, 90 or 120.
void set_capability(int capability);

/// Executions so far, and the workspace of the largest.
struct Executions {
  std::size_t count = 0, workspace = 0;
};
Executions executions();
void reset_executions();

}  // namespace doubles
