// NICE and RealNVP: flows of images by couplings alone.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "retrace/layer/channel_permutation.hpp"
#include "retrace/layer/channel_pooling.hpp"
#include "retrace/layer/channel_unpooling.hpp"
#include "retrace/layer/element_scale.hpp"
#include "retrace/layer/flatten.hpp"
#include "retrace/net/factor_out.hpp"
#include "retrace/net/flow_parts.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of nice().
struct NiceOptions {
  Shape image{1, 28, 28, 1};  ///< [1,H,W,C]
  int couplings = 4;
  Index width = 1000;      ///< of the hidden layers of branches
  int hidden = 5;          ///< their number
  std::uint64_t seed = 1;  ///< of the first weights
};

/// Options of real_nvp().
struct RealNvpOptions {
  Index channels = 3;      ///< of the images
  int levels = 2;          ///< height and width must be multiples of 2^(levels − 1)
  int couplings = 3;       ///< of each kind in a level
  Index width = 64;        ///< channels inside the branches
  double bound = 2;        ///< the scale of a coupling is between exp(−bound) and exp(bound)
  std::uint64_t seed = 1;  ///< of the first weights
};

/// NICE (Dinh et al. 2015): additive couplings of fully connected branches on flattened images,
/// whose two halves are drawn at random, then a scale per element. Its prior is logistic.
/// @throws std::invalid_argument unless all numbers are positive.
template <class T, Device D>
Chain<T, D> nice(D& device, const NiceOptions& options = {}) {
  const Index all = options.image.h * options.image.w * options.image.c;
  require_positive("nice", "the elements of an image", all);
  require_positive("nice", "couplings", options.couplings);
  require_positive("nice", "width", options.width);
  FlowParts<T, D> make(device, options.seed);
  const Index first = (all + 1) / 2, rest = all - first;
  Chain<T, D> net;
  net.add("flatten", Flatten<T, D>(options.image));
  net.add("halves", ChannelPermutation<T, D>(all, make.next_seed()));
  for (int i = 0; i < options.couplings; ++i) {
    const bool maps_first = i % 2 == 1;
    net.add("coupling" + std::to_string(i),
            FlowCoupling(make.table_branch(maps_first ? rest : first, options.width, options.hidden,
                                           maps_first ? first : rest),
                         maps::Shift{}, {.maps_first = maps_first}));
  }
  net.add("scale", ElementScale<T, D>(device, {1, 1, 1, all}));
  return net;
}

namespace detail {

template <class T, Device D>
Chain<T, D> real_nvp_level(FlowParts<T, D>& make, Index channels, int level,
                           const RealNvpOptions& options) {
  const maps::Affine map{options.bound};
  Chain<T, D> chain;
  const auto checkerboards = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::string name = "checkerboard" + std::to_string(i);
      chain.add(name + ".norm", make.act_norm(channels));
      chain.add(name, FlowCoupling(make.image_branch(channels, options.width, 2 * channels), map,
                                   {.mapped = i % 2 == 0 ? Pixels::even : Pixels::odd}));
    }
  };
  if (level == options.levels) {
    checkerboards(options.couplings + 1);
    return chain;
  }
  checkerboards(options.couplings);
  chain.add("squeeze", ChannelPooling<T, D>());
  const Index squeezed = 4 * channels, half = squeezed / 2;
  for (int i = 0; i < options.couplings; ++i) {
    const std::string name = "channels" + std::to_string(i);
    chain.add(name + ".norm", make.act_norm(squeezed));
    chain.add(name, FlowCoupling(make.image_branch(half, options.width, 2 * half), map,
                                 {.maps_first = i % 2 == 1}));
  }
  chain.add("level" + std::to_string(level + 1),
            FactorOut<T, D>(real_nvp_level(make, half, level + 1, options), half));
  chain.add("unsqueeze", ChannelUnpooling<T, D>());
  return chain;
}

}  // namespace detail

/// RealNVP (Dinh et al. 2017, §3.6): in each level couplings on checkerboards, a squeeze, couplings
/// on channels, and half of the channels go on; the last level has checkerboards alone. ActNorm
/// takes the place of batch normalisation, and plain branches that of residual ones. The latent has
/// the shape of the image.
/// @throws std::invalid_argument unless all numbers are positive.
template <class T, Device D>
Chain<T, D> real_nvp(D& device, const RealNvpOptions& options = {}) {
  require_positive("real_nvp", "channels", options.channels);
  require_positive("real_nvp", "levels", options.levels);
  require_positive("real_nvp", "couplings", options.couplings);
  require_positive("real_nvp", "width", options.width);
  FlowParts<T, D> make(device, options.seed);
  return detail::real_nvp_level(make, options.channels, 1, options);
}

}  // namespace retrace::inline RETRACE_ISA
