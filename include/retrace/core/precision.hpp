// The element types a network computes with.
#pragma once

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// The state that flows through a chain, the insides of its branches, and gradients may differ
/// in element type: a fixed-point state has floating-point gradients.
template <class S, class B = S, class G = S>
struct Precision {
  using State = S;
  using Branch = B;
  using Gradient = G;
};

using Float = Precision<float>;
using Double = Precision<double>;

}  // namespace retrace::inline RETRACE_ISA
