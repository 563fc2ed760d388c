// Comparisons, and conversions between types.
#pragma once

#include "cuda/ptx/module.hpp"

namespace ptx {

/// Implements setp: 1 or 0, combined with a third source if there is one.
Bits compare(const Instruction& instruction, const Bits* sources);

/// Implements cvt.
Bits convert(const Instruction& instruction, const Bits* sources);

}  // namespace ptx
