// One of the parameters that a step of an optimizer updates together.
#pragma once

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// All packed and of one shape. `second` is left alone by rules that keep one moment.
template <class T, Device D>
struct UpdateTerm {
  View<T, D> value, gradient, first, second;
  double decay;
};

}  // namespace retrace::inline RETRACE_ISA
