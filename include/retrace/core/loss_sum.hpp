// The sum of a loss over the rows of a batch.
#pragma once

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// The sum of the losses of all rows, and the number of rows whose label has the largest logit.
struct LossSum {
  double loss = 0;
  Index correct = 0;
};

}  // namespace retrace::inline RETRACE_ISA
