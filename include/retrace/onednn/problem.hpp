// The description of a convolution pass for which a primitive is created.
#pragma once

#include <compare>

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA::onednn {

enum class Pass { forward, input_gradient, weight_gradient };

/// y [N,⌈H/s⌉,⌈W/s⌉,K] = x [N,H,W,C] * w [k,k,C,K] with zero "same" padding, or one of its
/// gradients.
struct Problem {
  Pass pass;
  Index images, height, width, inputs, outputs, kernel, stride;

  // NOLINTNEXTLINE(modernize-use-nullptr): there is no pointer
  auto operator<=>(const Problem&) const = default;

  Shape x() const { return {images, height, width, inputs}; }
  Shape y() const {
    return {images, (height + stride - 1) / stride, (width + stride - 1) / stride, outputs};
  }
  Shape w() const { return {kernel, kernel, inputs, outputs}; }
  double multiply_adds() const {
    return static_cast<double>(y().size() * kernel * kernel * inputs);
  }
};

}  // namespace retrace::inline RETRACE_ISA::onednn
