// Reversible transformers, and ordinary ones of the same branches.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/layer/duplicate.hpp"
#include "retrace/layer/embedding.hpp"
#include "retrace/layer/gate.hpp"
#include "retrace/layer/global_average.hpp"
#include "retrace/layer/layer_norm.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/local_attention.hpp"
#include "retrace/layer/lsh_attention.hpp"
#include "retrace/layer/patches.hpp"
#include "retrace/layer/positions.hpp"
#include "retrace/net/decoder.hpp"
#include "retrace/net/fixed_stream.hpp"
#include "retrace/net/residual.hpp"
#include "retrace/net/transformer_options.hpp"

namespace retrace::inline RETRACE_ISA {

/// Makes the branches of a transformer: F = attention(norm(x)) and G = feed-forward(norm(x)),
/// without a residual inside them (Mangalam et al. 2022, §3.2: with one, training collapses).
template <class T, Device D>
class TransformerBlocks {
 public:
  using Coupling = AdditiveCoupling<Branch<T, D>>;

  /// @throws std::invalid_argument if an option does not fit.
  TransformerBlocks(D& device, const TransformerOptions& options)
      : device_(device),
        options_(options),
        random_(options.seed, substream("weights")),
        mask_(std::make_shared<SequenceMask<D>>(device)),
        decoding_(std::make_shared<Decoding>()) {
    options_.require();
  }

  /// Of the keys, shared by all layers; null if not every attention is full, as others take none.
  std::shared_ptr<SequenceMask<D>> mask() const {
    const bool full = !options_.has(AttentionKind::local) && !options_.has(AttentionKind::lsh);
    return full ? mask_ : nullptr;
  }
  /// By which a Decoder continues sequences; null if some layers cannot.
  std::shared_ptr<Decoding> decoding() const {
    return options_.causal && mask() ? decoding_ : nullptr;
  }
  Random& random() { return random_; }

  Chain<T, D> attention(Index layer) {
    Chain<T, D> chain;
    chain.add("norm", made<LayerNorm<T, D>>(options_.channels));
    add_attention(chain, options_.attention_of(layer), layer);
    return with_dropout(std::move(chain), 2 * layer);
  }
  Chain<T, D> feed_forward(Index layer) {
    const Index d = options_.channels, hidden = options_.hidden();
    const FeedForwardKind between = options_.between;
    const bool gated =
        between == FeedForwardKind::gated_gelu || between == FeedForwardKind::gated_silu;
    Chain<T, D> chain;
    chain.add("norm", made<LayerNorm<T, D>>(d));
    chain.add("up", made<Linear<T, D>>(d, gated ? 2 * hidden : hidden, random_, std::sqrt(0.5)));
    if (gated)
      chain.add("gate",
                GatedUnit<T, D>(between == FeedForwardKind::gated_gelu ? Gate::gelu : Gate::silu));
    else if (between == FeedForwardKind::gelu)
      chain.add("gate", Gelu<T, D>());
    else
      chain.add("gate", Silu<T, D>());
    chain.add("down", made<Linear<T, D>>(hidden, d, random_, output_gain()));
    return with_dropout(std::move(chain), 2 * layer + 1);
  }

  /// y₁ = x₁ + F(x₂), y₂ = x₂ + G(y₁). G is a branch by positions.
  Coupling coupling(Index layer) {
    Branch<T, D> f(attention(layer));
    return {std::move(f), Branch<T, D>(feed_forward(layer)).by_positions()};
  }

  /// Adds the layers between the embedding and the last normalisation.
  void add_layers(Chain<T, D>& net) {
    add_positions_to(net);
    if (!options_.reversible) {
      for (Index i = 0; i < options_.layers; ++i)
        net.add(layer_name(i) + ".f", Residual<T, D>(attention(i)))
            .add(layer_name(i) + ".g", Residual<T, D>(feed_forward(i)));
      net.add("norm", made<LayerNorm<T, D>>(options_.state_channels()));
      return;
    }
    net.add("duplicate", Duplicate<T, D>());
    if (options_.stream == Stream::fixed16) return add_fixed<std::int16_t>(net);
    if (options_.stream == Stream::fixed32) return add_fixed<std::int32_t>(net);
    for (Index i = 0; i < options_.layers; ++i) net.add(layer_name(i), coupling(i));
    net.add("norm", made<LayerNorm<T, D>>(options_.state_channels()));
  }

  /// A linear layer whose outputs begin near 0.
  Linear<T, D> head(Index in, Index out) {
    return made<Linear<T, D>>(in, out, random_, std::sqrt(0.5) * 0.5);
  }

  /// Frees the gradients of a layer that will not train before the next one is made.
  template <class L, class... Arguments>
  L made(Arguments&&... arguments) {
    L layer(device_, std::forward<Arguments>(arguments)...);
    if (!options_.trains) {
      ParameterList<T, D> list;
      inside::collect(layer, "", list);
      list.release_gradients();
    }
    return layer;
  }

 private:
  static std::string layer_name(Index layer) { return "layer" + std::to_string(layer); }
  /// Keeps the variance of the state as it is through the layers (Radford et al. 2019, §2.3).
  double output_gain() const {
    return std::sqrt(0.5 / static_cast<double>(std::max<Index>(2 * options_.layers, 1)));
  }

  void add_attention(Chain<T, D>& chain, AttentionKind kind, Index layer) {
    if (kind != AttentionKind::full) return add_chunk_attention(chain, kind, layer);
    const AttentionOptions attention{.heads = options_.heads,
                                     .key_heads = options_.key_heads,
                                     .causal = options_.causal,
                                     .window = options_.window,
                                     .rotary = options_.positions == PositionKind::rotary,
                                     .output_gain = output_gain() / std::sqrt(0.5)};
    auto stage = made<Attention<T, D>>(options_.channels, random_, attention);
    stage.set_mask(mask_);
    stage.set_decoding(decoding_);
    chain.add("attention", std::move(stage));
  }

  /// Linear layers around a stage without parameters.
  void add_chunk_attention(Chain<T, D>& chain, AttentionKind kind, Index layer) {
    const Index d = options_.channels, parts = kind == AttentionKind::local ? 3 : 2;
    chain.add("in", made<Linear<T, D>>(d, parts * d, random_, std::sqrt(0.5)));
    if (kind == AttentionKind::local)
      chain.add("attention", LocalAttention<T, D>({.heads = options_.heads,
                                                   .chunk = options_.attention_chunk,
                                                   .causal = options_.causal}));
    else
      chain.add("attention", LshAttention<T, D>(device_, {.heads = options_.heads,
                                                          .chunk = options_.attention_chunk,
                                                          .rounds = options_.hash_rounds,
                                                          .causal = options_.causal,
                                                          .seed = seed_of(layer, "hashes")}));
    chain.add("out", made<Linear<T, D>>(d, d, random_, output_gain()));
  }

  /// Another one for each layer.
  std::uint64_t seed_of(Index number, const char* purpose) const {
    return substream(purpose) + options_.seed * 65536 + static_cast<std::uint64_t>(number);
  }

  Chain<T, D> with_dropout(Chain<T, D> chain, Index branch) const {
    if (options_.dropout > 0)
      chain.add("dropout", Dropout<T, D>(options_.dropout, seed_of(branch, "dropout")));
    return chain;
  }

  void add_positions_to(Chain<T, D>& net) {
    const auto add = [&](auto stage) {
      stage.set_decoding(decoding_);
      net.add("positions", std::move(stage));
    };
    if (options_.positions == PositionKind::learned)
      add(made<LearnedPositions<T, D>>(options_.longest, options_.channels, random_));
    if (options_.positions == PositionKind::axial)
      add(made<AxialPositions<T, D>>(options_.axial_rows, options_.axial_columns, options_.channels,
                                     random_));
  }

  template <class E>
  void add_fixed(Chain<T, D>& net) {
    FixedStream<E, T, D> stream(options_.fixed);
    for (Index i = 0; i < options_.layers; ++i)
      stream.chain().add(layer_name(i), stream.rounded(coupling(i)));
    stream.tail().add("norm", made<LayerNorm<T, D>>(options_.state_channels()));
    net.add("layers", std::move(stream));
  }

  D& device_;
  TransformerOptions options_;
  Random random_;
  std::shared_ptr<SequenceMask<D>> mask_;
  std::shared_ptr<Decoding> decoding_;
};

/// A model of sequences of tokens: an embedding, which takes integers, and a network. The logits at
/// position t are those of the token after it.
///
///     auto model = transformer<float>(device, {.channels = 128, .layers = 4, .heads = 4});
///     auto x = model.embedding.forward(ids, n, t);        // [n,1,t,d]
///     Tensor<float, Cpu> dx = Tensor<float, Cpu>::none(device);
///     accumulate_gradients(model.net, x, cross_entropy(next), {.dx = &dx});
///     model.embedding.backward(ids, dx.view());
template <class T, Device D>
struct Transformer {
  TransformerOptions options;
  std::shared_ptr<SequenceMask<D>> mask;  ///< of the keys; without effect until it is set
  std::shared_ptr<Decoding> decoding;     ///< for a Decoder; null if the layers cannot
  Embedding<T, D> embedding;
  Chain<T, D> net;  ///< [N,1,T,d] to logits [N,1,T,tokens], or to the head's input

  /// All parameters: "embedding.weight", "layer0.f.attention.q", …
  ParameterList<T, D> parameters() {
    ParameterList<T, D> list, of_net = net.parameters();
    inside::collect(embedding, "embedding", list);
    net.collect("", list);
    list.holds = of_net.holds;
    return list;
  }
};

/// A reversible transformer on channel halves (Kitaev et al. 2020, §3), or an ordinary one of the
/// same branches.
/// @throws std::invalid_argument if an option does not fit.
template <class T, Device D>
Transformer<T, D> transformer(D& device, const TransformerOptions& options = {}) {
  TransformerBlocks<T, D> make(device, options);
  Transformer<T, D> model{
      options, make.mask(), make.decoding(),
      make.template made<Embedding<T, D>>(options.tokens, options.channels, make.random()),
      Chain<T, D>()};
  make.add_layers(model.net);
  if (options.head) model.net.add("head", make.head(options.state_channels(), options.tokens));
  return model;
}

/// Options of the images that vision_transformer() takes.
struct PatchOptions {
  Index height = 32, width = 32, channels = 3;
  Index patch = 4;  ///< pixels of a side
  Index classes = 10;
};

/// A transformer on the patches of images (Dosovitskiy et al. 2021; reversible: Mangalam et al.
/// 2022): patches, a linear layer, learned positions, layers, the mean over the positions, a linear
/// layer. Every patch attends to every other.
/// @throws std::invalid_argument if an option does not fit.
template <class T, Device D>
Chain<T, D> vision_transformer(D& device, TransformerOptions options,
                               const PatchOptions& images = {}) {
  const Patches<T, D> patches(images.patch);
  const Shape cut = patches.output_shape({1, images.height, images.width, images.channels});
  options.causal = false;
  options.positions = PositionKind::learned;
  options.longest = cut.w;
  TransformerBlocks<T, D> make(device, options);
  Chain<T, D> net;
  net.add("patches", patches);
  net.add("stem",
          make.template made<Linear<T, D>>(cut.c, options.channels, make.random(), std::sqrt(0.5)));
  make.add_layers(net);
  net.add("average", GlobalAverage<T, D>());
  net.add("head", make.head(options.state_channels(), images.classes));
  return net;
}

}  // namespace retrace::inline RETRACE_ISA
