// Tokens as vectors.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "retrace/core/sequence.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// x[n,t] = w[id of position t in sequence n]. Tokens are integers, so it stands before a chain:
///
///     Tensor<float, Cpu> x = embedding.forward(ids, n, t);
///     …                                       // the chain: forward, loss, backward to dx
///     embedding.backward(ids, dx.view());
///
/// Shapes    ids [N·T], w [tokens,C], x [N,1,T,C].
/// Backward  dw[id] += dx at every position of that id, in the order of positions.
/// Stores    nothing.
template <class T, Device D>
class Embedding {
 public:
  /// @param deviation  of the first weights, which are normal
  Embedding(D& device, Index tokens, Index channels, Random& random, double deviation = 0.02)
      : weight_(device, sequence(1, tokens, channels), false) {
    he_normal(weight_.value, 2, random, deviation);
  }

  Index tokens() const { return weight_.value.shape().w; }
  Index channels() const { return weight_.value.shape().c; }

  /// @throws ShapeError unless there are n·t ids.
  /// @throws std::out_of_range naming the first id that is no token, and its position.
  Tensor<T, D> forward(std::span<const std::int32_t> ids, Index n, Index t) const {
    Tensor<T, D> x(weight_.value.device(), sequence(n, t, channels()));
    require(ids, x.shape());
    gather_rows(x.view(), weight_.value.view(), ids);
    return x;
  }
  void backward(std::span<const std::int32_t> ids, View<const T, D> dx) {
    require(ids, dx.shape());
    weight_.accumulate([&](View<T, D> dw) { add_rows(dw, dx, ids); });
  }

  template <class V>
  void inside(V visit) {
    visit("weight", weight_);
  }

  Parameter<T, D>& weight() { return weight_; }

 private:
  void require(std::span<const std::int32_t> ids, Shape x) const {
    require_channels("Embedding", "x", x, channels());
    if (static_cast<Index>(ids.size()) != x.pixels())
      throw ShapeError("Embedding: there are " + std::to_string(ids.size()) +
                       " ids for the positions of " + to_string(x));
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] < 0 || ids[i] >= tokens())
        throw std::out_of_range("Embedding: id " + std::to_string(ids[i]) + " at position " +
                                std::to_string(i) + " must be in [0, " + std::to_string(tokens()) +
                                ")");
  }

  Parameter<T, D> weight_;
};

}  // namespace retrace::inline RETRACE_ISA
