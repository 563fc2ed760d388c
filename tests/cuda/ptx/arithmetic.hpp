// Instructions whose result depends only on their operands, for one thread.
#pragma once

#include "cuda/ptx/module.hpp"

namespace ptx {

/// Computes the destination from the sources in order.
using Pure = Bits (*)(const Instruction& instruction, const Bits* sources);

/// Returns nullptr if there is no such instruction.
Pure pure_instruction(const std::string& name);

/// Return a + b, max(a, b) and so on, in the instruction's type. Also used for atomics.
Bits add(const Instruction& instruction, const Bits* sources);
Bits maximum(const Instruction& instruction, const Bits* sources);

}  // namespace ptx
