// The first stage of a language model: vectors of tokens and of their positions.
#pragma once

#include <stdexcept>
#include <string>

#include "retrace/core/operations.hpp"
#include "retrace/layer/layer.hpp"
#include "retrace/layer/parameter.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of TokenEmbedding.
struct TokenEmbeddingOptions {
  Index tokens = 256;       ///< rows of the table
  Index channels = 64;      ///< of y
  Index positions = 0;      ///< most positions of a sequence with learned vectors; 0: no vectors
  double deviation = 0.02;  ///< of the initial values
  bool any_input = false;   ///< takes tokens modulo their number, for timing on noise
};

/// y_t = w[x_t] + p[t] for the token x_t at position t of a sequence. Tokens are whole numbers in
/// elements of the network, which are exact up to 2²⁴.
///
/// Shapes    x [N,H,W,1], H·W positions of a sequence, w [tokens,C], p [positions,C], y [N,H,W,C].
/// Inverse   none.
/// Backward  dw[x_t] += dy_t,  dp[t] += dy_t,  dx = 0.
/// Stores    nothing; the chain stores x.
/// Throws    DataError for a token that is not in the table, ShapeError for too long a sequence.
template <class T, Device D>
class TokenEmbedding {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @throws std::invalid_argument unless tokens and channels are positive and positions not
  ///         negative.
  TokenEmbedding(D& device, const TokenEmbeddingOptions& options, Random& random)
      : options_(checked(options)),
        table_(device, {1, 1, options.tokens, options.channels}, false),
        positions_(device, {1, 1, options.positions, options.channels}, false) {
    he_normal(table_.value, 2, random, options.deviation);
    he_normal(positions_.value, 2, random, options.deviation);
  }

  Index input_channels() const { return 1; }
  Shape output_shape(Shape x) const {
    require_channels("TokenEmbedding", "x", x, 1);
    // A chain gives unknown extents when the stage is added.
    constexpr Index any = 1 << 20;
    if (options_.positions > 0 && x.h * x.w > options_.positions && x.h != any)
      throw ShapeError("TokenEmbedding: x is " + to_string(x) +
                       " but its sequences must have at most " +
                       std::to_string(options_.positions) + " positions");
    return with_channels(x, options_.channels);
  }

  void apply(View<T, D> y, View<const T, D> x, Run, Store how) const {
    require_same_shape("TokenEmbedding", "y", y.shape(), "the vectors of x",
                       output_shape(x.shape()));
    if (!options_.any_input) require_tokens(x, options_.tokens);
    embed_tokens(y, x, table_.value.view(), positions_.value.view(), how);
  }
  void gradient(View<const T, D> x, View<const T, D> dy, View<T, D> dx, Store how) {
    if (how == Store::set) fill(dx, T(0));
    table_.accumulate([&](View<T, D> dw) { add_token_gradients(dw, x, dy); });
    positions_.accumulate([&](View<T, D> dp) {
      if (options_.positions > 0) add_position_gradients(dp, dy);
    });
  }

  template <class V>
  void inside(V visit) {
    visit("tokens", table_);
    if (options_.positions > 0) visit("positions", positions_);
  }

  Parameter<T, D>& table() { return table_; }
  Parameter<T, D>& positions() { return positions_; }

 private:
  static TokenEmbeddingOptions checked(const TokenEmbeddingOptions& options) {
    const auto require = [](const char* what, Index value, Index least) {
      if (value < least)
        throw std::invalid_argument("TokenEmbedding: " + std::string(what) + " must be at least " +
                                    std::to_string(least) + ", got " + std::to_string(value));
    };
    require("tokens", options.tokens, 1);
    require("channels", options.channels, 1);
    require("positions", options.positions, 0);
    return options;
  }

  TokenEmbeddingOptions options_;
  Parameter<T, D> table_, positions_;
};

}  // namespace retrace::inline RETRACE_ISA
