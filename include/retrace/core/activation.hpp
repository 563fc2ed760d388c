// A rectifier, given by its slope for negative inputs.
#pragma once

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = u if u > 0, y = slope·u otherwise. A slope of 0 gives ReLU and a slope of 1 the identity. A
/// slope in between gives a leaky ReLU (Maas et al. 2013, §2), which is invertible if positive.
struct Activation {
  double slope = 1;

  constexpr bool invertible() const { return slope > 0; }
};

inline constexpr Activation identity{1}, relu{0};
constexpr Activation leaky_relu(double slope) { return {slope}; }

}  // namespace retrace::inline RETRACE_ISA
