// Networks of flows: bijections between data and latents, with their log-determinants.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "retrace/layer/channel_pooling.hpp"
#include "retrace/layer/channel_unpooling.hpp"
#include "retrace/layer/condition.hpp"
#include "retrace/net/factor_out.hpp"
#include "retrace/net/flow_parts.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of glow().
struct GlowOptions {
  Index channels = 3;       ///< of the images
  int levels = 3;           ///< height and width must be multiples of 2^levels
  int steps = 16;           ///< of each level
  Index width = 128;        ///< channels inside the branches of couplings
  double bound = 2;         ///< the scale of a coupling is between exp(−bound) and exp(bound)
  bool additive = false;    ///< additive couplings, whose inverse adds no noise
  bool split_prior = true;  ///< the latents of a level depend on the levels below it
  Index condition_channels = 0;     ///< of the condition, if there is one
  bool condition_is_image = false;  ///< the condition is as large as the images, not a vector
  std::uint64_t seed = 1;           ///< of the first weights
};

namespace detail {

/// Makes the levels of a Glow.
template <class T, Device D>
class GlowLevels {
 public:
  GlowLevels(D& device, const GlowOptions& options, SharedCondition<T, D> condition)
      : make_(device, options.seed), options_(options), condition_(std::move(condition)) {}

  /// @param channels  those of the level's input
  Chain<T, D> level(Index channels, int number) {
    Chain<T, D> chain;
    channels *= 4;
    chain.add("squeeze", ChannelPooling<T, D>());
    for (int i = 0; i < options_.steps; ++i) {
      const std::string step = "step" + std::to_string(i);
      chain.add(step + ".norm", make_.act_norm(channels));
      chain.add(step + ".conv", make_.invertible_conv(channels));
      add_coupling(chain, step + ".coupling", channels, number);
    }
    if (number < options_.levels) {
      if (options_.split_prior) add_coupling(chain, "prior", channels, number);
      chain.add("level" + std::to_string(number + 1),
                FactorOut<T, D>(level(channels / 2, number + 1), channels / 2));
    }
    chain.add("unsqueeze", ChannelUnpooling<T, D>());
    return chain;
  }

 private:
  void add_coupling(Chain<T, D>& chain, const std::string& name, Index channels, int level) {
    if (options_.additive)
      add_coupling(chain, name, channels, level, maps::Shift{});
    else
      add_coupling(chain, name, channels, level, maps::Affine{options_.bound});
  }
  template <class Map>
  void add_coupling(Chain<T, D>& chain, const std::string& name, Index channels, int level,
                    const Map& map) {
    const Index read = (channels + 1) / 2, out = (channels - read) * map.parameters();
    Index more = condition_ ? options_.condition_channels : 0;
    for (int i = 0; i < level && options_.condition_is_image; ++i) more *= 4;
    auto branch = make_.image_branch(read + more, options_.width, out);
    if (condition_)
      chain.add(name, FlowCoupling(Conditioned(std::move(branch), condition_, more), map));
    else
      chain.add(name, FlowCoupling(std::move(branch), map));
  }

  FlowParts<T, D> make_;
  GlowOptions options_;
  SharedCondition<T, D> condition_;
};

}  // namespace detail

/// Glow (Kingma and Dhariwal 2018): each level squeezes 2x2 pixels into channels, takes `steps`
/// steps of ActNorm, invertible 1x1 convolution and coupling, and passes half of the channels to
/// the next level. The latent has the shape of the image.
///
///     auto net = glow<float>(device, {.channels = 1, .levels = 2, .steps = 8});
///     accumulate_gradients(net, x, negative_log_likelihood({.bins = 256}));
///     auto images = sample(net, device, {64, 28, 28, 1}, {.temperature = 0.7, .seed = 1});
///
/// With a condition c it is p(x | c): each branch reads c too. Set it before every pass.
/// @throws std::invalid_argument unless all numbers are positive.
template <class T, Device D>
Chain<T, D> glow(D& device, const GlowOptions& options = {},
                 SharedCondition<T, D> condition = nullptr) {
  require_positive("glow", "channels", options.channels);
  require_positive("glow", "levels", options.levels);
  require_positive("glow", "steps", options.steps);
  require_positive("glow", "width", options.width);
  if (condition) require_positive("glow", "condition_channels", options.condition_channels);
  return detail::GlowLevels<T, D>(device, options, std::move(condition)).level(options.channels, 1);
}

}  // namespace retrace::inline RETRACE_ISA
