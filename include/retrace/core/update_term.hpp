// One of the parameters that an optimizer step updates together.
#pragma once

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// A parameter with its gradient and moments, all packed and of one shape. Rules with one moment do
/// not use `second`.
template <class T, Device D>
struct UpdateTerm {
  View<T, D> value, gradient, first, second;
  double decay;
};

}  // namespace retrace::inline RETRACE_ISA
