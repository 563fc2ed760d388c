// The networks of Hascoet et al., "Reversible designs for extreme memory cost reduction of CNN
// training", Table 1.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/net/net_options.hpp"

namespace retrace::inline RETRACE_ISA {

namespace detail {

inline std::string level_name(std::size_t level) { return "level" + std::to_string(level + 1); }

/// Throws std::invalid_argument unless there are as many channel counts as block counts, all
/// positive, with at least one level.
inline void require_levels(const NetOptions& options) {
  if (options.channels.empty() || options.channels.size() != options.blocks.size())
    throw std::invalid_argument("a network needs as many channel counts as block counts, got " +
                                std::to_string(options.channels.size()) + " and " +
                                std::to_string(options.blocks.size()));
  for (std::size_t level = 0; level < options.channels.size(); ++level)
    if (options.channels[level] < 1 || options.blocks[level] < 0)
      throw std::invalid_argument(level_name(level) + " has " +
                                  std::to_string(options.channels[level]) + " channels and " +
                                  std::to_string(options.blocks[level]) + " blocks");
}

inline void require_floating(const NetOptions& options, Architecture architecture) {
  if (options.stream != Stream::floating)
    throw std::invalid_argument("a stream in " + std::string(name(options.stream)) +
                                " needs a network of couplings alone, as revnet, irevnet and "
                                "hybrid are, but " +
                                std::string(name(architecture)) + " is not");
}

/// The pooling between level − 1 and `level`: into the channels if there are 4 times as many, into
/// the batch if there are as many; sub_images is multiplied then.
template <class E, class T, Device D, class S>
void add_invertible_pooling(Chain<T, D, S>& chain, const NetOptions& options, std::size_t level,
                            Index& sub_images) {
  const Index from = options.channels[level - 1], to = options.channels[level];
  if (to == 4 * from) {
    chain.add(level_name(level) + ".pool", ChannelPooling<E, D, T>());
  } else if (to == from) {
    chain.add(level_name(level) + ".pool", BatchPooling<E, D, T>());
    sub_images *= 4;
  } else {
    throw std::invalid_argument(
        "an invertible pooling keeps the number of channels or multiplies it by 4, but " +
        level_name(level - 1) + " has " + std::to_string(from) + " and " + level_name(level) + " " +
        std::to_string(to));
  }
}

/// Adds the layers between the last block and the linear layer.
/// @param normalised  the last layer was a normalisation
template <class T, Device D>
void add_pooled_head(Chain<T, D>& chain, Blocks<T, D>& make, const NetOptions& options,
                     Index sub_images, bool normalised = false) {
  if (!normalised) chain.add("head.norm", make.norm(options.channels.back()));
  chain.add("head.average", make.average(sub_images));
}

/// The options of stream number `part` of `parts`.
inline FixedStreamOptions fixed_options(const NetOptions& options, std::size_t parts,
                                        std::size_t part) {
  const std::vector<int>& bits = options.fraction_bits;
  FixedStreamOptions fixed = options.fixed;
  if (bits.empty()) return fixed;
  if (bits.size() != 1 && bits.size() != parts)
    throw std::invalid_argument("there are " + std::to_string(bits.size()) +
                                " numbers of fraction bits for a network with " +
                                std::to_string(parts) + " streams in fixed point");
  fixed.fraction_bits = bits.size() == 1 ? bits[0] : bits[part];
  return fixed;
}

/// Levels [first, end) as one layer whose state is in fixed point; block(channels) makes a
/// coupling.
template <class E, class T, Device D, class MakeBlock>
FixedStream<E, T, D> fixed_levels(Blocks<T, D>& make, const NetOptions& options, std::size_t first,
                                  std::size_t end, Index& sub_images, MakeBlock block) {
  const std::size_t levels = options.channels.size();
  const bool whole = end - first == levels;
  FixedStream<E, T, D> stream(fixed_options(options, whole ? 1 : levels, first));
  for (std::size_t level = first; level < end; ++level) {
    if (level > first) add_invertible_pooling<E>(stream.chain(), options, level, sub_images);
    for (Index i = 0; i < options.blocks[level]; ++i)
      stream.chain().add((whole ? level_name(level) + '.' : "") + "block" + std::to_string(i),
                         stream.rounded(block(options.channels[level])));
  }
  if (end == levels) add_pooled_head(stream.tail(), make, options, sub_images);
  return stream;
}

template <class T, Device D, class MakeBlock>
void add_fixed_levels(Chain<T, D>& net, Blocks<T, D>& make, const NetOptions& options,
                      std::size_t first, std::size_t end, Index& sub_images, MakeBlock block) {
  const std::string name = end - first == options.channels.size() ? "levels" : level_name(first);
  if (options.stream == Stream::fixed16)
    net.add(name,
            fixed_levels<std::int16_t>(make, options, first, end, sub_images, std::move(block)));
  else
    net.add(name,
            fixed_levels<std::int32_t>(make, options, first, end, sub_images, std::move(block)));
}

/// Residual blocks with max pooling between the levels; branch(in, out) makes the chain of one.
template <class T, Device D, class MakeBranch>
Chain<T, D> residual_net(Blocks<T, D>& make, const NetOptions& options, MakeBranch branch) {
  require_levels(options);
  Chain<T, D> net;
  net.add("stem", make.conv(options.image_channels, options.channels[0]));
  for (std::size_t level = 0; level < options.channels.size(); ++level) {
    if (level > 0) net.add(level_name(level) + ".pool", make.max_pooling());
    for (Index i = 0; i < options.blocks[level]; ++i) {
      const Index out = options.channels[level];
      const Index in = i == 0 && level > 0 ? options.channels[level - 1] : out;
      Chain<T, D> chain = branch(in, out);
      net.add(level_name(level) + ".block" + std::to_string(i),
              make.residual(in, out, std::move(chain)));
    }
  }
  add_pooled_head(net, make, options, 1);
  net.add("head.linear", make.linear(options.channels.back(), options.classes));
  return net;
}

/// Invertible layers with invertible poolings between the levels; add_block(net, name, channels)
/// adds those of a block. block(channels) makes a coupling of a fixed-point stream.
template <class T, Device D, class AddBlock, class MakeBlock>
Chain<T, D> invertible_net(Blocks<T, D>& make, const NetOptions& options, bool ends_normalised,
                           AddBlock add_block, MakeBlock block) {
  require_levels(options);
  Chain<T, D> net;
  const std::size_t levels = options.channels.size();
  Index sub_images = 1;
  net.add("stem", make.conv(options.image_channels, options.channels[0]));
  if (options.stream != Stream::floating) {
    add_fixed_levels(net, make, options, 0, levels, sub_images, block);
  } else {
    for (std::size_t level = 0; level < levels; ++level) {
      if (level > 0) add_invertible_pooling<T>(net, options, level, sub_images);
      for (Index i = 0; i < options.blocks[level]; ++i)
        add_block(net, level_name(level) + ".block" + std::to_string(i), options.channels[level]);
    }
    add_pooled_head(net, make, options, sub_images, ends_normalised);
  }
  net.add("head.linear", make.linear(options.channels.back(), options.classes));
  return net;
}

/// Couplings with invertible poolings between the levels.
template <class T, Device D, class MakeBlock>
Chain<T, D> coupling_net(Blocks<T, D>& make, const NetOptions& options, MakeBlock block) {
  return invertible_net(
      make, options, false,
      [&](Chain<T, D>& net, const std::string& name, Index channels) {
        net.add(name, block(channels));
      },
      block);
}

}  // namespace detail

/// Residual blocks of two normalised 3x3 convolutions, max pooling between the levels.
template <class T, Device D>
Chain<T, D> resnet(D& device, const NetOptions& options = paper_options(Architecture::resnet)) {
  detail::require_floating(options, Architecture::resnet);
  Blocks<T, D> make(device, options);
  return detail::residual_net(
      make, options, [&](Index in, Index out) { return make.pre_activation_chain(in, out); });
}

/// The ResNet whose normalisations and activations are inverted from their output instead of
/// stored (Rota Bulò et al. 2018).
template <class T, Device D>
Chain<T, D> resnet_inplace_abn(
    D& device, const NetOptions& options = paper_options(Architecture::resnet_inplace_abn)) {
  detail::require_floating(options, Architecture::resnet_inplace_abn);
  Blocks<T, D> make(device, options);
  return detail::residual_net(make, options,
                              [&](Index in, Index out) { return make.inplace_chain(in, out); });
}

/// Reversible blocks on halves of the channels; a max pooling and a 3x3 convolution between the
/// levels (Gomez et al. 2017). Each level may be a stream in fixed point.
template <class T, Device D>
Chain<T, D> revnet(D& device, const NetOptions& options = paper_options(Architecture::revnet)) {
  detail::require_levels(options);
  Blocks<T, D> make(device, options);
  const auto block = [&](Index channels) { return make.coupling(channels); };
  Chain<T, D> net;
  Index sub_images = 1;
  net.add("stem", make.conv(options.image_channels, options.channels[0]));
  for (std::size_t level = 0; level < options.channels.size(); ++level) {
    const Index channels = options.channels[level];
    const std::string name = detail::level_name(level);
    if (level > 0)
      net.add(name + ".pool", make.max_pooling())
          .add(name + ".transition", make.norm_act_conv(options.channels[level - 1], channels));
    if (options.stream != Stream::floating)
      detail::add_fixed_levels(net, make, options, level, level + 1, sub_images, block);
    else
      for (Index i = 0; i < options.blocks[level]; ++i)
        net.add(name + ".block" + std::to_string(i), block(channels));
  }
  if (options.stream == Stream::floating) detail::add_pooled_head(net, make, options, 1);
  net.add("head.linear", make.linear(options.channels.back(), options.classes));
  return net;
}

/// Reversible blocks with invertible poolings between them, so that nothing between stem and head
/// is stored (after Jacobsen et al. 2018). All levels may be one stream in fixed point.
template <class T, Device D>
Chain<T, D> irevnet(D& device, const NetOptions& options = paper_options(Architecture::irevnet)) {
  Blocks<T, D> make(device, options);
  return detail::coupling_net(make, options,
                              [&](Index channels) { return make.coupling(channels); });
}

/// Invertible convolutions, normalisations and activations one after another.
template <class T, Device D>
Chain<T, D> layerwise(D& device,
                      const NetOptions& options = paper_options(Architecture::layerwise)) {
  detail::require_floating(options, Architecture::layerwise);
  Blocks<T, D> make(device, options);
  return detail::invertible_net(
      make, options, true,
      [&](Chain<T, D>& net, const std::string& name, Index channels) {
        net.add(name + ".conv", make.invertible_conv(channels));
        net.add(name + ".norm", make.invertible_norm(channels));
      },
      [&](Index channels) { return make.coupling(channels); });
}

/// Reversible blocks whose branches are invertible layer by layer (Hascoet et al., §3.4). All
/// levels may be one stream in fixed point.
template <class T, Device D>
Chain<T, D> hybrid(D& device, const NetOptions& options = paper_options(Architecture::hybrid)) {
  Blocks<T, D> make(device, options);
  Chain<T, D> net = detail::coupling_net(
      make, options, [&](Index channels) { return make.inverted_coupling(channels); });
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
