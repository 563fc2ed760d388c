// Comparisons, and conversions between types.
#pragma once

#include "cuda/ptx/module.hpp"

namespace ptx {

/// setp: 1 or 0, combined with a third source where there is one.
Bits compare(const Instruction& instruction, const Bits* sources);

/// cvt
Bits convert(const Instruction& instruction, const Bits* sources);

}  // namespace ptx
