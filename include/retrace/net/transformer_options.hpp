// Size, layers and state of a transformer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "retrace/layer/attention.hpp"
#include "retrace/net/fixed_stream.hpp"

namespace retrace::inline RETRACE_ISA {

/// How a layer attends: to all positions or a sliding window (Attention), to those of neighbouring
/// chunks (LocalAttention), to those that hash alike (LshAttention).
enum class AttentionKind { full, local, lsh };
/// The source of differences between positions.
enum class PositionKind { none, rotary, learned, axial };
/// The layers between the two linear ones of a feed-forward branch.
enum class FeedForwardKind { gelu, silu, gated_gelu, gated_silu };

/// Options of transformer() and vision_transformer().
struct TransformerOptions {
  Index tokens = 256;      ///< the size of the alphabet: bytes
  Index channels = 256;    ///< d of a half if it is reversible, of the state if not
  Index layers = 12;       ///< each of an attention and a feed-forward branch
  Index heads = 8;         ///< of an attention
  Index key_heads = 0;     ///< see AttentionOptions
  Index feed_forward = 0;  ///< channels between the two linear layers; 0: 4·d
  FeedForwardKind between = FeedForwardKind::gelu;
  bool reversible = true;  ///< if not, x + F(x) and x + G(x) with the same F and G
  bool causal = true;
  Index window = 0;                                           ///< see AttentionOptions
  std::vector<AttentionKind> attention{AttentionKind::full};  ///< of the layers, in turn
  Index attention_chunk = 64;  ///< positions in a chunk of local and lsh attention
  Index hash_rounds = 2;       ///< of lsh attention
  PositionKind positions = PositionKind::rotary;
  Index longest = 0;                        ///< positions that learned ones have
  Index axial_rows = 0, axial_columns = 0;  ///< the grid of axial ones
  double dropout = 0;                       ///< share of what a branch adds
  bool head = true;  ///< ends with a linear layer to `tokens` logits; otherwise with its input
  std::uint64_t seed = 0;  ///< of the first weights and of dropout

  Stream stream = Stream::floating;  ///< the format of the state of reversible layers
  FixedStreamOptions fixed = {};     ///< of a fixed-point state
  bool trains = true;                ///< if not, the parameters hold no memory for gradients

  bool has(AttentionKind kind) const {
    return std::find(attention.begin(), attention.end(), kind) != attention.end();
  }
  Index hidden() const { return feed_forward > 0 ? feed_forward : 4 * channels; }
  AttentionKind attention_of(Index layer) const {
    return attention[static_cast<std::size_t>(layer) % attention.size()];
  }
  /// Channels of the state, and of the head's input.
  Index state_channels() const { return reversible ? 2 * channels : channels; }

  /// @throws std::invalid_argument naming the first option that does not fit.
  void require() const {
    const auto positive = [](const char* what, Index value) {
      if (value < 1)
        throw std::invalid_argument(std::string("a transformer needs ") + what + " >= 1, got " +
                                    std::to_string(value));
    };
    positive("tokens", tokens);
    positive("channels", channels);
    positive("heads", heads);
    if (layers < 0)
      throw std::invalid_argument("a transformer needs layers >= 0, got " + std::to_string(layers));
    if (attention.empty())
      throw std::invalid_argument("a transformer needs at least one kind of attention");
    if (positions == PositionKind::rotary && !has(AttentionKind::full))
      throw std::invalid_argument(
          "local and lsh attention turn nothing by positions: a transformer of these alone needs "
          "learned or axial positions, or none");
    if (heads > 0 && channels % heads != 0)
      throw std::invalid_argument("a transformer needs heads that divide the channels, got " +
                                  std::to_string(heads) + " heads and " + std::to_string(channels) +
                                  " channels");
    if (positions == PositionKind::learned) positive("longest with learned positions", longest);
    if (positions == PositionKind::axial) {
      positive("axial_rows with axial positions", axial_rows);
      positive("axial_columns with axial positions", axial_columns);
    }
    if (stream != Stream::floating && !reversible)
      throw std::invalid_argument("a stream in " + std::string(name(stream)) +
                                  " needs a reversible transformer");
  }
};

}  // namespace retrace::inline RETRACE_ISA
