// The heights and widths that a network takes.
#pragma once

#include <string>

#include "retrace/core/error.hpp"

namespace retrace::inline RETRACE_ISA {

/// Returns the least power of two such that the network takes heights and widths that are multiples
/// of it; 0 if it takes none with the images and channels of x.
template <class Net>
Index extent_multiple(const Net& net, Shape x) {
  for (Index multiple = 1; multiple <= 1024; multiple *= 2) try {
      const auto extent = [=](Index size) { return (size + multiple - 1) / multiple * multiple; };
      net.output_shape({x.n, extent(x.h), extent(x.w), x.c});
      return multiple;
    } catch (const ShapeError&) {
    }
  return 0;
}

/// The shape of the network's output.
/// @throws ShapeError naming the first layer that cannot take what it would be given, and the
///         heights and widths that fit.
template <class Net>
Shape checked_output_shape(const Net& net, Shape x) {
  try {
    return net.output_shape(x);
  } catch (const ShapeError& error) {
    const Index multiple = extent_multiple(net, x);
    if (multiple <= 1) throw;
    throw ShapeError(error.message() + "; heights and widths that are multiples of " +
                         std::to_string(multiple) + " fit, but x is " + to_string(x),
                     error.place());
  }
}

}  // namespace retrace::inline RETRACE_ISA
