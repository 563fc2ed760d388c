// Invertible residual networks.
#pragma once

#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/layer/smooth.hpp"
#include "retrace/layer/spectral_conv2d.hpp"
#include "retrace/net/architectures.hpp"
#include "retrace/net/invertible_residual.hpp"

namespace retrace::inline RETRACE_ISA {

/// An i-ResNet for classification (Behrmann et al. 2019): a convolution, levels of layers x + g(x),
/// a ChannelPooling between two levels, normalisation, mean and a linear layer. g is convolutions
/// of 3x3, 1x1 and 3x3 with an ELU between two of them, each of a Lipschitz constant of at most
/// the cube root of `bound`, so that Lip(g) ≤ bound.
///
/// @param image  1 x height x width x channels; norms of convolutions depend on it
/// @param bound  above 0 and below 1
/// @throws std::invalid_argument unless each level has 4 times the channels of the one before, and
///         the images can be halved between them.
template <class T, Device D>
Chain<T, D> iresnet(D& device, const NetOptions& options, Shape image, double bound = 0.9) {
  detail::require_levels(options);
  if (options.stream != Stream::floating)
    throw std::invalid_argument("a stream in " + std::string(name(options.stream)) +
                                " needs a network of couplings alone, and an i-ResNet has none");
  Blocks<T, D> make(device, options);
  Random random(options.seed, substream("spectral weights"));
  Chain<T, D> net;
  net.add("stem", make.conv(image.c, options.channels[0]));
  Shape state = with_channels(image, options.channels[0]);
  for (std::size_t level = 0; level < options.channels.size(); ++level) {
    const std::string name = detail::level_name(level);
    const Index channels = options.channels[level];
    if (level > 0) {
      ChannelPooling<T, D> pooling;
      state = pooling.output_shape(state);
      net.add(name + ".pool", std::move(pooling));
    }
    if (channels != state.c)
      throw std::invalid_argument(name + " of an i-ResNet must have " + std::to_string(state.c) +
                                  " channels, 4 times those of the level before, got " +
                                  std::to_string(channels));
    const auto conv = [&](Index kernel) {
      return SpectralConv2d<T, D>(device, channels, channels, state.h, state.w, random,
                                  {.kernel = kernel, .bound = std::cbrt(bound)});
    };
    for (Index i = 0; i < options.blocks[level]; ++i) {
      StageSequence<T, D> g;
      g.add("conv0", conv(3)).add("elu0", Elu<T, D>()).add("conv1", conv(1));
      g.add("elu1", Elu<T, D>()).add("conv2", conv(3));
      net.add(name + ".block" + std::to_string(i), InvertibleResidual<T, D>(std::move(g)));
    }
  }
  detail::add_pooled_head(net, make, options, 1);
  net.add("head.linear", make.linear(state.c, options.classes));
  return net;
}

}  // namespace retrace::inline RETRACE_ISA
