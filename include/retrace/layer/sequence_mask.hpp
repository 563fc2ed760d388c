// The positions of a batch of sequences that exist.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "retrace/core/error.hpp"
#include "retrace/core/run.hpp"
#include "retrace/core/sequence.hpp"
#include "retrace/core/tensor.hpp"

namespace retrace::inline RETRACE_ISA {

/// One number for each position of a batch, [N,1,T,1]: attention ignores the keys whose number is
/// 0. Stages share a mask by pointer and read it in every pass, so it holds until it changes.
template <Device D>
class SequenceMask {
 public:
  /// Makes a mask without effect.
  explicit SequenceMask(D& device) : mask_(Tensor<std::uint8_t, D>::none(device)) {}

  /// Sets the mask of batches of n sequences of t positions.
  /// @throws ShapeError unless there are n·t numbers.
  void set(std::span<const std::uint8_t> present, Index n, Index t) {
    if (static_cast<Index>(present.size()) != n * t)
      throw ShapeError("SequenceMask: there are " + std::to_string(present.size()) +
                       " numbers for " + std::to_string(n) + " sequences of " + std::to_string(t) +
                       " positions");
    Tensor<std::uint8_t, D> mask(mask_.device(), sequence(n, t, 1), Use::activation);
    upload(mask.view(), present);
    mask_ = std::move(mask);
  }
  void clear() { mask_ = Tensor<std::uint8_t, D>::none(mask_.device()); }
  bool empty() const { return mask_.shape().size() == 0; }

  /// The mask of a batch, or of a chunk of one, of that shape.
  /// @throws ShapeError unless the mask is of that many sequences and positions.
  View<const std::uint8_t, D> of(Shape x, Chunk chunk) const {
    const Shape whole = mask_.shape();
    const Index first = chunk.count > 0 ? chunk.first : 0;
    if (whole.w != x.h * x.w || (chunk.count == 0 && whole.n != x.n) || first + x.n > whole.n)
      throw ShapeError("SequenceMask: the mask is of " + std::to_string(whole.n) +
                       " sequences of " + std::to_string(whole.w) + " positions, but x is " +
                       to_string(x));
    return with_shape(mask_.view().images(first, x.n), with_channels(x, 1));
  }

 private:
  Tensor<std::uint8_t, D> mask_;
};

}  // namespace retrace::inline RETRACE_ISA
