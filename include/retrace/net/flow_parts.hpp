// The parts that the flows are built of: branches, couplings and steps.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/layer/act_norm.hpp"
#include "retrace/layer/bias_act_conv.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/flow_coupling.hpp"
#include "retrace/layer/invertible_conv.hpp"
#include "retrace/layer/masked_linear.hpp"
#include "retrace/layer/relu.hpp"
#include "retrace/net/branch.hpp"

namespace retrace::inline RETRACE_ISA {

/// Throws std::invalid_argument "glow: steps must be positive, got 0" unless it is.
inline void require_positive(const char* network, const char* option, Index value) {
  if (value < 1)
    throw std::invalid_argument(std::string(network) + ": " + option + " must be positive, got " +
                                std::to_string(value));
}

/// Makes the parts of flows on one device, with weights from one sequence of random numbers.
template <class T, Device D>
class FlowParts {
 public:
  FlowParts(D& device, std::uint64_t seed)
      : device_(device), random_(seed, substream("weights")), seed_(seed) {}

  /// 3x3, 1x1 and 3x3 convolutions with ReLU in between. The last one starts at 0, so that its map
  /// starts as the identity (Kingma and Dhariwal 2018, §3.3).
  Branch<T, D> image_branch(Index in, Index width, Index out) {
    return branch(in, {width, width}, out, {3, 1, 3});
  }
  /// Fully connected layers with ReLU in between; the last one starts at 0.
  /// @param hidden  their number, at least 1
  Branch<T, D> table_branch(Index in, Index width, int hidden, Index out) {
    const auto layers = static_cast<std::size_t>(std::max(hidden, 1));
    return branch(in, std::vector<Index>(layers, width), out, std::vector<Index>(layers + 1, 1));
  }
  /// Fully connected layers whose parameters of channel i depend on the channels before i alone
  /// (Germain et al. 2015).
  template <class Map>
  Branch<T, D> masked_branch(Index channels, Index width, int hidden, const Map& map) {
    std::vector<Index> degrees, out;
    for (Index c = 0; c < channels; ++c) degrees.push_back(c + 1);
    for (Index k = 0; k < map.parameters() * channels; ++k)
      out.push_back(map.channel_of(k, channels) + 1);
    std::vector<Index> inside;
    for (Index j = 0; j < width; ++j) inside.push_back(1 + j % std::max<Index>(channels - 1, 1));
    Branch<T, D> made;
    for (int i = 0; i < std::max(hidden, 1); ++i) {
      const std::string number = std::to_string(i);
      made.add("linear" + number, MaskedLinear<T, D>(device_, degrees, inside, false, random_));
      made.add("relu" + number, Relu<T, D>());
      degrees = inside;
    }
    made.add("out", MaskedLinear<T, D>(device_, degrees, out, true, random_, /*gain=*/0));
    return made;
  }
  ActNorm<T, D> act_norm(Index channels) { return ActNorm<T, D>(device_, channels); }
  /// Each call uses another rotation.
  InvertibleConv<T, D> invertible_conv(Index channels) {
    return InvertibleConv<T, D>(device_, channels, next_seed());
  }

  std::uint64_t next_seed() { return (seed_ << 16) + ++made_; }
  D& device() { return device_; }
  Random& random() { return random_; }

 private:
  Branch<T, D> branch(Index in, const std::vector<Index>& widths, Index out,
                      const std::vector<Index>& kernels) {
    Branch<T, D> made;
    made.add("conv0", Conv2d<T, D>(device_, in, widths.front(), random_, {.kernel = kernels[0]}));
    for (std::size_t i = 1; i <= widths.size(); ++i) {
      const bool last = i == widths.size();
      made.add("conv" + std::to_string(i),
               BiasActConv<T, D>(device_, widths[i - 1], last ? out : widths[i], random_,
                                 {.kernel = kernels[i], .gain = last ? 0.0 : 1.0}));
    }
    made.add("bias", ChannelBias<T, D>(device_, out));
    return made;
  }

  D& device_;
  Random random_;
  std::uint64_t seed_, made_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
