// The networks of Hascoet et al., "Reversible designs for extreme memory cost reduction of CNN
// training", Table 1.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "retrace/net/blocks.hpp"
#include "retrace/net/fixed_stream.hpp"

namespace retrace::inline RETRACE_ISA {

enum class Architecture { resnet, revnet, irevnet, layerwise, hybrid, resnet_inplace_abn };

inline constexpr std::array<Architecture, 6> all_architectures{
    Architecture::resnet,    Architecture::revnet, Architecture::irevnet,
    Architecture::layerwise, Architecture::hybrid, Architecture::resnet_inplace_abn};

/// "revnet", as on a command line.
constexpr std::string_view name(Architecture architecture) {
  constexpr std::array<std::string_view, 6> names{"resnet",    "revnet", "irevnet",
                                                  "layerwise", "hybrid", "resnet-inplace-abn"};
  return names[static_cast<std::size_t>(architecture)];
}

/// What a network is to be like: its size, its activations, the format of its state.
struct NetOptions {
  std::vector<Index> channels;  ///< of the state, level by level
  std::vector<Index> blocks;    ///< of each level
  Index image_channels = 3, classes = 10;
  double slope = 0;          ///< of the rectifiers: ReLU, or leaky where they are inverted
  double scale_floor = 0.1;  ///< ε_i of invertible normalisations
  std::uint64_t seed = 0;    ///< of the first weights

  Stream stream = Stream::floating;     ///< what reversible blocks hold their state in
  FixedStreamOptions fixed = {};        ///< of a fixed-point stream
  std::vector<int> fraction_bits = {};  ///< of it, level by level, in place of fixed.fraction_bits

  bool trains = true;  ///< if not, the parameters hold no memory for gradients
};

/// The options that give the parameter counts of the paper's Table 1: 3.14, 3.06, 42.8, 7.40 and
/// 3.71 million, and 3.14 for the ResNet with in-place activated normalisation.
inline NetOptions paper_options(Architecture architecture) {
  switch (architecture) {
    case Architecture::resnet:
      return {{32, 64, 128, 256}, {2, 2, 2, 2}};
    case Architecture::revnet:
      return {{40, 80, 160, 320}, {2, 2, 2, 2}};
    case Architecture::irevnet:
      return {{32, 128, 512, 2048}, {2, 2, 2, 1}};
    case Architecture::layerwise:
      return {.channels = {32, 128, 512, 512},
              .blocks = {4, 4, 4, 2},
              .slope = 0.5,
              .scale_floor = 0.3};
    case Architecture::hybrid:
      return {.channels = {32, 128, 512, 512}, .blocks = {2, 2, 2, 1}, .slope = 0.1};
    case Architecture::resnet_inplace_abn:
      return {.channels = {32, 64, 128, 256}, .blocks = {2, 2, 2, 2}, .slope = 0.01};
  }
  throw std::invalid_argument("paper_options: unknown architecture");
}

namespace detail {

/// What every network here has in common: a stem, levels of blocks with a door between them,
/// a head.
template <class T, Device D>
class NetBuilder {
 public:
  NetBuilder(D& device, const NetOptions& options) : blocks_(device, options), options_(options) {
    if (options.channels.empty() || options.channels.size() != options.blocks.size())
      throw std::invalid_argument("a network needs as many channel counts as block counts, got " +
                                  std::to_string(options.channels.size()) + " and " +
                                  std::to_string(options.blocks.size()));
    net_.add("stem", blocks_.conv(options.image_channels, options.channels[0]));
  }

  Index levels() const { return static_cast<Index>(options_.channels.size()); }
  Index channels(Index level) const { return options_.channels[static_cast<std::size_t>(level)]; }

  /// block(level, index) for every block, door(level) before the first of every further level.
  template <class Door, class MakeBlock>
  NetBuilder& add_levels(Door door, MakeBlock block) {
    for (Index level = 0; level < levels(); ++level) {
      if (level > 0) door(level);
      for (Index i = 0; i < options_.blocks[static_cast<std::size_t>(level)]; ++i)
        block(level, i, label(level) + ".block" + std::to_string(i));
    }
    return *this;
  }

  /// Levels [first, end) as one part whose state is in fixed point; `make` is a member of Blocks
  /// that makes a coupling of so many channels.
  template <class MakeBlock>
  void add_fixed_levels(Index first, Index end, MakeBlock make) {
    if (options_.stream == Stream::fixed16)
      add_stream<std::int16_t>(first, end, make);
    else
      add_stream<std::int32_t>(first, end, make);
  }

  void add_invertible_pooling(Index level) { add_invertible_pooling<T>(net_, level); }
  /// Channels are multiplied by 4 where the next level has as many more, and the batch is
  /// where it has the same.
  template <class E, class AnyChain>
  void add_invertible_pooling(AnyChain& chain, Index level) {
    const Index from = channels(level - 1), to = channels(level);
    if (to == 4 * from) {
      chain.add(label(level) + ".pool", ChannelPooling<E, D, T>());
    } else if (to == from) {
      chain.add(label(level) + ".pool", BatchPooling<E, D, T>());
      sub_images_ *= 4;
    } else {
      throw std::invalid_argument(
          "an invertible pooling keeps the number of channels or multiplies it by 4, but level " +
          std::to_string(level) + " has " + std::to_string(from) + " and level " +
          std::to_string(level + 1) + " " + std::to_string(to));
    }
  }
  void add_max_pooling(Index level) { net_.add(label(level) + ".pool", MaxPooling<T, D>()); }

  /// @param normalised  the last layer was a normalisation
  Chain<T, D> finish(bool normalised) {
    if (floating()) add_head(net_, normalised);
    net_.add("head.linear", blocks_.linear(channels(levels() - 1), options_.classes));
    return std::move(net_);
  }

  static std::string label(Index level) { return "level" + std::to_string(level + 1); }

  Blocks<T, D>& blocks() { return blocks_; }
  Chain<T, D>& net() { return net_; }
  bool floating() const { return options_.stream == Stream::floating; }

 private:
  template <class E, class MakeBlock>
  void add_stream(Index first, Index end, MakeBlock make) {
    const bool whole = end - first == levels();
    FixedStream<E, T, D> stream(stream_options(whole ? 1 : levels(), first));
    for (Index level = first; level < end; ++level) {
      if (level > first) add_invertible_pooling<E>(stream.chain(), level);
      for (Index i = 0; i < options_.blocks[static_cast<std::size_t>(level)]; ++i)
        stream.chain().add((whole ? label(level) + '.' : "") + "block" + std::to_string(i),
                           stream.rounded((blocks_.*make)(channels(level))));
    }
    if (end == levels()) add_head(stream.tail());
    net_.add(whole ? "levels" : label(first), std::move(stream));
  }

  /// All of it but the linear layer.
  template <class AnyChain>
  void add_head(AnyChain& chain, bool normalised = false) {
    if (!normalised) chain.add("head.norm", blocks_.norm(channels(levels() - 1)));
    chain.add("head.average", GlobalAverage<T, D>(sub_images_));
  }

  /// Of one of `parts` streams.
  FixedStreamOptions stream_options(Index parts, Index part) const {
    const std::vector<int>& bits = options_.fraction_bits;
    FixedStreamOptions options = options_.fixed;
    if (bits.empty()) return options;
    if (bits.size() != 1 && static_cast<Index>(bits.size()) != parts)
      throw std::invalid_argument("there are " + std::to_string(bits.size()) +
                                  " numbers of fraction bits for a network with " +
                                  std::to_string(parts) + " streams in fixed point");
    options.fraction_bits = bits.size() == 1 ? bits[0] : bits[static_cast<std::size_t>(part)];
    return options;
  }

  Blocks<T, D> blocks_;
  const NetOptions& options_;
  Chain<T, D> net_;
  Index sub_images_ = 1;
};

inline void require_floating(const NetOptions& options, Architecture architecture) {
  if (options.stream != Stream::floating)
    throw std::invalid_argument("a stream in " + std::string(name(options.stream)) +
                                " needs a network of couplings alone, as revnet, irevnet and "
                                "hybrid are, but " +
                                std::string(name(architecture)) + " is not");
}

/// Max pooling, then one block that changes the channels: a door that cannot be inverted.
template <class T, Device D, class MakeBranch>
Chain<T, D> residual_net(D& device, const NetOptions& options, MakeBranch branch) {
  NetBuilder<T, D> builder(device, options);
  builder.add_levels([&](Index level) { builder.add_max_pooling(level); },
                     [&](Index level, Index i, const std::string& name) {
                       const Index out = builder.channels(level);
                       const Index in = i == 0 && level > 0 ? builder.channels(level - 1) : out;
                       builder.net().add(name, builder.blocks().residual(in, out, branch));
                     });
  return builder.finish(false);
}

/// Couplings with invertible poolings between the levels.
template <class T, Device D, class MakeBlock>
Chain<T, D> pooled_couplings(D& device, const NetOptions& options, MakeBlock make) {
  NetBuilder<T, D> builder(device, options);
  if (builder.floating())
    builder.add_levels([&](Index level) { builder.add_invertible_pooling(level); },
                       [&](Index level, Index, const std::string& name) {
                         builder.net().add(name, (builder.blocks().*make)(builder.channels(level)));
                       });
  else
    builder.add_fixed_levels(0, builder.levels(), make);
  return builder.finish(false);
}

}  // namespace detail

/// Residual blocks of two normalised 3x3 convolutions, max pooling between the levels.
template <class T, Device D>
Chain<T, D> resnet(D& device, const NetOptions& options = paper_options(Architecture::resnet)) {
  detail::require_floating(options, Architecture::resnet);
  return detail::residual_net<T, D>(device, options, &Blocks<T, D>::pre_activation_chain);
}

/// The ResNet whose normalisations and activations are inverted from their output instead of
/// stored (Rota Bulò et al. 2018).
template <class T, Device D>
Chain<T, D> resnet_inplace_abn(
    D& device, const NetOptions& options = paper_options(Architecture::resnet_inplace_abn)) {
  detail::require_floating(options, Architecture::resnet_inplace_abn);
  return detail::residual_net<T, D>(device, options, &Blocks<T, D>::inplace_chain);
}

/// Reversible blocks on halves of the channels; a max pooling and a 3x3 convolution between the
/// levels (Gomez et al. 2017). Each level may be a stream in fixed point.
template <class T, Device D>
Chain<T, D> revnet(D& device, const NetOptions& options = paper_options(Architecture::revnet)) {
  detail::NetBuilder<T, D> builder(device, options);
  const auto door = [&](Index level) {
    builder.add_max_pooling(level);
    builder.net().add(
        builder.label(level) + ".transition",
        builder.blocks().norm_act_conv(builder.channels(level - 1), builder.channels(level)));
  };
  if (builder.floating())
    builder.add_levels(door, [&](Index level, Index, const std::string& name) {
      builder.net().add(name, builder.blocks().coupling(builder.channels(level)));
    });
  else
    for (Index level = 0; level < builder.levels(); ++level) {
      if (level > 0) door(level);
      builder.add_fixed_levels(level, level + 1, &Blocks<T, D>::coupling);
    }
  return builder.finish(false);
}

/// Reversible blocks with invertible poolings between them, so that nothing between stem and head
/// is stored (after Jacobsen et al. 2018). All levels may be one stream in fixed point.
template <class T, Device D>
Chain<T, D> irevnet(D& device, const NetOptions& options = paper_options(Architecture::irevnet)) {
  return detail::pooled_couplings<T, D>(device, options, &Blocks<T, D>::coupling);
}

/// Invertible convolutions, normalisations and activations one after another.
template <class T, Device D>
Chain<T, D> layerwise(D& device,
                      const NetOptions& options = paper_options(Architecture::layerwise)) {
  detail::require_floating(options, Architecture::layerwise);
  detail::NetBuilder<T, D> builder(device, options);
  builder.add_levels([&](Index level) { builder.add_invertible_pooling(level); },
                     [&](Index level, Index, const std::string& name) {
                       const Index channels = builder.channels(level);
                       builder.net()
                           .add(name + ".conv", builder.blocks().invertible_conv(channels))
                           .add(name + ".norm", builder.blocks().invertible_norm(channels));
                     });
  return builder.finish(true);
}

/// Reversible blocks whose branches are invertible layer by layer (Hascoet et al., §3.4). All
/// levels may be one stream in fixed point.
template <class T, Device D>
Chain<T, D> hybrid(D& device, const NetOptions& options = paper_options(Architecture::hybrid)) {
  Chain<T, D> net =
      detail::pooled_couplings<T, D>(device, options, &Blocks<T, D>::inverted_coupling);
  net.set_mode(Mode::inverted);
  return net;
}

/// The network of that name.
template <class T, Device D>
Chain<T, D> build(D& device, Architecture architecture, const NetOptions& options) {
  switch (architecture) {
    case Architecture::resnet:
      return resnet<T>(device, options);
    case Architecture::revnet:
      return revnet<T>(device, options);
    case Architecture::irevnet:
      return irevnet<T>(device, options);
    case Architecture::layerwise:
      return layerwise<T>(device, options);
    case Architecture::hybrid:
      return hybrid<T>(device, options);
    case Architecture::resnet_inplace_abn:
      return resnet_inplace_abn<T>(device, options);
  }
  throw std::invalid_argument("build: unknown architecture");
}

}  // namespace retrace::inline RETRACE_ISA
