// Exact attention within neighbouring chunks of a sequence.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/core/chunk_attention.hpp"
#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of LocalAttention.
struct LocalAttentionOptions {
  Index heads = 1;
  Index chunk = 64;  ///< positions in a chunk
  bool causal = true;
};

namespace detail {

/// @throws std::invalid_argument unless heads, chunk and rounds are positive.
inline void require_terms(const char* where, const ChunkAttentionTerms& terms) {
  for (const auto& [name, value] : {std::pair("heads", terms.heads),
                                    {"the chunk", terms.chunk},
                                    {"the hash rounds", terms.rounds}})
    if (value < 1)
      throw std::invalid_argument(std::string(where) + ": " + name + " must be at least 1, got " +
                                  std::to_string(value));
}

/// Returns the shape of the attention's output for x of `parts` tensors side by side.
/// @throws ShapeError unless the channels divide into parts and heads.
inline Shape attention_output(const char* where, Shape x, Index parts, Index heads) {
  if (x.c % (parts * heads) != 0)
    throw ShapeError(std::string(where) + ": x is " + to_string(x) +
                     " but its channels must divide into " + std::to_string(parts) +
                     " tensors of " + std::to_string(heads) + " heads: a multiple of " +
                     std::to_string(parts * heads));
  return with_channels(x, x.c / parts);
}

}  // namespace detail

/// y_i = Σ_j softmax_j(q_i·k_j/√d)·v_j for each head of d channels, over the positions j of the
/// chunk of i and of the one before it; of the one after it too unless attention is causal. Causal
/// attention has j ≤ i. Any number of positions: the last chunk may be shorter.
///
/// Shapes    x [N,H,W,3C] = (q, k, v), y [N,H,W,C]; H·W positions of a sequence.
/// Inverse   none.
/// Backward  p = softmax, g_ij = dy_i·v_j:  dv_j = Σ_i p_ij·dy_i,  s_ij = p_ij·(g_ij − Σ_l
/// p_il·g_il),
///           dq_i = Σ_j s_ij·k_j/√d,  dk_j = Σ_i s_ij·q_i/√d. p is computed again.
/// Stores    nothing; the chain stores x.
/// Source    Kitaev, Kaiser, Levskaya 2020, "Reformer", the local layers of its models.
template <class T, Device D>
class LocalAttention {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless heads and chunk are positive.
  explicit LocalAttention(const LocalAttentionOptions& options)
      : terms_{.heads = options.heads, .chunk = options.chunk, .causal = options.causal} {
    detail::require_terms("LocalAttention", terms_);
  }

  /// @throws ShapeError unless the channels are a multiple of 3·heads.
  Shape output_shape(Shape x) const {
    return detail::attention_output("LocalAttention", x, 3, terms_.heads);
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("LocalAttention", "y", y.shape(), "the attention of x",
                       output_shape(x.shape()));
    local_attention(y, x, terms_, how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) const {
    local_attention_gradient(dx, x, dy, terms_, how);
  }

  template <class V>
  void inside(V) {}

 private:
  ChunkAttentionTerms terms_;
};

}  // namespace retrace::inline RETRACE_ISA
