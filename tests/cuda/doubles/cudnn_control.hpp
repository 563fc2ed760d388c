// Controls of the cuDNN double for tests.
#pragma once

#include <cstddef>
#include <vector>

namespace doubles {

/// Sets the GPU that graphs are planned for: ten times its compute capability, 75, 80, 90 or 120.
void set_capability(int capability);

/// The number of executions so far, and the largest workspace.
struct Executions {
  std::size_t count = 0, workspace = 0;
};
Executions executions();
void reset_executions();

}  // namespace doubles
