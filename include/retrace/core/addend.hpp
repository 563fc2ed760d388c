// A term of a linear combination of tensors.
#pragma once

#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// factor·x.
template <class T, Device D>
struct Addend {
  double factor;
  View<const T, D> x;
};

}  // namespace retrace::inline RETRACE_ISA
