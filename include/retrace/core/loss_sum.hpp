// What a loss adds up over the rows of a batch.
#pragma once

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// The sum of the losses of all rows, and how many have their label's logit the largest.
struct LossSum {
  double loss = 0;
  Index correct = 0;
};

}  // namespace retrace::inline RETRACE_ISA
