// Instructions whose result depends on their operands alone, for one thread.
#pragma once

#include "cuda/ptx/module.hpp"

namespace ptx {

/// Takes the sources in order, gives what the destination holds.
using Pure = Bits (*)(const Instruction& instruction, const Bits* sources);

/// nullptr for what is no such instruction.
Pure pure_instruction(const std::string& name);

/// a + b, max(a, b) and the like, of the instruction's type; for atomics too.
Bits add(const Instruction& instruction, const Bits* sources);
Bits maximum(const Instruction& instruction, const Bits* sources);

}  // namespace ptx
