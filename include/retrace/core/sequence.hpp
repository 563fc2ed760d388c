// Sequences as images of one row, and factors of matrix products.
#pragma once

#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

/// [N,1,T,C]: n sequences of t positions with c channels each. Positions are pixels, so every layer
/// that treats pixels alike takes sequences too.
constexpr Shape sequence(Index n, Index t, Index c) { return {n, 1, t, c}; }

/// Every position as an image of one pixel, [N·T,1,1,C], so that chunks of images are chunks of
/// positions.
constexpr Shape positions(Shape x) { return {x.pixels(), 1, 1, x.c}; }

/// Returns the same elements as a view of that shape, whose pixels must be as many.
template <class V>
V with_shape(V x, Shape shape) {
  return {x.device(), x.data(), shape, x.pitch()};
}
template <class V>
V positions(V x) {
  return with_shape(x, positions(x.shape()));
}
/// Returns all pixels as the rows of one matrix: [1,1,N·H·W,C].
template <class V>
V as_matrix(V x) {
  return with_shape(x, sequence(1, x.shape().pixels(), x.shape().c));
}

}  // namespace retrace::inline RETRACE_ISA

namespace retrace {

/// How a matrix product reads a factor. Identical for every instruction set.
enum class Factor { plain, transposed };

}  // namespace retrace
