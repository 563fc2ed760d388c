// Instructions on bits, as Pure functions of arithmetic.hpp.
#pragma once

#include "cuda/ptx/module.hpp"

namespace ptx {

Bits conjunction(const Instruction& instruction, const Bits* sources);
Bits disjunction(const Instruction& instruction, const Bits* sources);
Bits exclusive_or(const Instruction& instruction, const Bits* sources);
Bits complement(const Instruction& instruction, const Bits* sources);
Bits shift_left(const Instruction& instruction, const Bits* sources);
Bits shift_right(const Instruction& instruction, const Bits* sources);
Bits insert_field(const Instruction& instruction, const Bits* sources);
Bits extract_field(const Instruction& instruction, const Bits* sources);
Bits leading_zeros(const Instruction& instruction, const Bits* sources);
Bits count_ones(const Instruction& instruction, const Bits* sources);
Bits copy_sign(const Instruction& instruction, const Bits* sources);
Bits permute(const Instruction& instruction, const Bits* sources);
Bits funnel_shift(const Instruction& instruction, const Bits* sources);

}  // namespace ptx
