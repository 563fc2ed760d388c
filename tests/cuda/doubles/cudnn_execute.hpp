// Extracts a convolution from an execution plan and a variant pack.
#pragma once

#include <cstddef>

#include "cuda/doubles/convolution.hpp"
#include "cuda/doubles/cudnn_record.hpp"

namespace doubles {

/// Returns the convolution of a plan. Throws an Error if its graph is not exactly one convolution.
Convolution convolution_of(const Record& plan, const Record& pack);

/// Returns the pack's workspace pointer, or nullptr.
void* workspace_of(const Record& pack);

}  // namespace doubles
