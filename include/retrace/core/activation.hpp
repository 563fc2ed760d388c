// Which rectifier: one number.
#pragma once

#include "retrace/core/isa.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = u where u > 0, y = slope·u elsewhere. A slope of 0 is ReLU, of 1 the identity; in
/// between it is a leaky ReLU (Maas et al. 2013, §2), which a positive slope makes invertible.
struct Activation {
  double slope = 1;

  constexpr bool invertible() const { return slope > 0; }
};

inline constexpr Activation identity{1}, relu{0};
constexpr Activation leaky_relu(double slope) { return {slope}; }

}  // namespace retrace::inline RETRACE_ISA
