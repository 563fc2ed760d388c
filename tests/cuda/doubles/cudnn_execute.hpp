// Reads a convolution out of an execution plan and a variant pack.
#pragma once

#include <cstddef>

#include "cuda/doubles/convolution.hpp"
#include "cuda/doubles/cudnn_record.hpp"

namespace doubles {

/// The graph that a plan executes must be one convolution, else an Error.
Convolution convolution_of(const Record& plan, const Record& pack);

/// The pointer that the pack gives as the workspace, or nullptr.
void* workspace_of(const Record& pack);

}  // namespace doubles
