// One of the parameters that a step of stochastic gradient descent updates together.
#pragma once

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// All three packed and of one shape.
template <class T, Device D>
struct SgdTerm {
  View<T, D> value, gradient, velocity;
  double decay;
};

}  // namespace retrace::inline RETRACE_ISA
