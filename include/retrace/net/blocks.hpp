// The blocks that the networks are built of.
#pragma once

#include <string>
#include <utility>

#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/batch_pooling.hpp"
#include "retrace/layer/channel_pooling.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/global_average.hpp"
#include "retrace/layer/invertible_batch_norm.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/max_pooling.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "retrace/layer/stack_branch.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/net/chain_branch.hpp"
#include "retrace/net/residual.hpp"

namespace retrace::inline RETRACE_ISA {

/// Makes layers on one device, with weights from one sequence of random numbers.
/// Options: anything with slope, scale_floor, seed and trains.
template <class T, Device D>
class Blocks {
 public:
  template <class Options>
  Blocks(D& device, const Options& options)
      : device_(device),
        random_(options.seed, stream("weights")),
        norm_{.activation = {options.slope}, .scale_floor = options.scale_floor},
        trains_(options.trains) {}

  Conv2d<T, D> conv(Index in, Index out, Index kernel = 3, double gain = 1) {
    return made<Conv2d<T, D>>(in, out, random_, ConvOptions{.kernel = kernel, .gain = gain});
  }
  NormActConv<T, D> norm_act_conv(Index in, Index out, Index kernel = 3) {
    return made<NormActConv<T, D>>(in, out, random_, ConvOptions{.kernel = kernel}, norm_);
  }
  BatchNorm<T, D> norm(Index channels) { return made<BatchNorm<T, D>>(channels, norm_); }
  InvertibleBatchNorm<T, D> invertible_norm(Index channels) {
    return made<InvertibleBatchNorm<T, D>>(channels, norm_);
  }
  Linear<T, D> linear(Index in, Index out) { return made<Linear<T, D>>(in, out, random_); }

  /// Two normalised 3x3 convolutions.
  Chain<T, D> pre_activation_chain(Index in, Index out) {
    Chain<T, D> chain;
    chain.add("conv0", norm_act_conv(in, out)).add("conv1", norm_act_conv(out, out));
    return chain;
  }
  /// The same with normalisation and activation in place.
  Chain<T, D> inplace_chain(Index in, Index out) {
    Chain<T, D> chain;
    chain.add("norm0", invertible_norm(in)).add("conv0", conv(in, out));
    chain.add("norm1", invertible_norm(out)).add("conv1", conv(out, out));
    return chain;
  }
  /// A residual block around such a chain, with a 3x3 shortcut where the channels change.
  Residual<T, D> residual(Index in, Index out, Chain<T, D> (Blocks::*branch)(Index, Index)) {
    Chain<T, D> chain = (this->*branch)(in, out);
    if (in == out) return Residual<T, D>(std::move(chain));
    return Residual<T, D>(std::move(chain), conv(in, out));
  }

  using ConvBranch = StackBranch<NormActConv<T, D>>;

  /// A reversible block whose branches are two normalised 3x3 convolutions on half the channels.
  AdditiveCoupling<ConvBranch> coupling(Index channels) {
    return {conv_branch(channels / 2), conv_branch(channels / 2)};
  }
  /// A reversible block with bottleneck branches: 1x1 to a quarter of the half, 3x3, 1x1 back.
  AdditiveCoupling<ConvBranch> bottleneck_coupling(Index channels) {
    return {bottleneck_branch(channels / 2), bottleneck_branch(channels / 2)};
  }

  /// A convolution inverted by partition: a coupling of two single convolutions. Its first weights
  /// are small, so that it starts near the identity: with He's own, every inverse would multiply
  /// the noise, and 14 such layers lose all of float32's digits at the first step.
  AdditiveCoupling<StackBranch<Conv2d<T, D>>> invertible_conv(Index channels) {
    require_even(channels);
    auto f = StackBranch(conv(channels / 2, channels / 2, 3, partition_gain));
    return {std::move(f), StackBranch(conv(channels / 2, channels / 2, 3, partition_gain))};
  }
  /// Twice: invertible convolution, normalisation and activation.
  Chain<T, D> invertible_chain(Index channels) {
    Chain<T, D> chain;
    for (const char* number : {"0", "1"})
      chain.add(std::string("conv") + number, invertible_conv(channels))
          .add(std::string("norm") + number, invertible_norm(channels));
    return chain;
  }
  /// A reversible block whose branches can be inverted layer by layer.
  AdditiveCoupling<ChainBranch<T, D>> inverted_coupling(Index channels) {
    ChainBranch<T, D> f(invertible_chain(channels / 2));
    return {std::move(f), ChainBranch<T, D>(invertible_chain(channels / 2))};
  }

 private:
  static constexpr double partition_gain = 0.3;

  /// Gradients go before the next layer is made.
  template <class L, class... Arguments>
  L made(Arguments&&... arguments) {
    L layer(device_, std::forward<Arguments>(arguments)...);
    if (!trains_) {
      ParameterList<T, D> list;
      layer.collect("", list);
      list.release_gradients();
    }
    return layer;
  }

  static void require_even(Index channels) {
    if (channels % 2 != 0)
      throw ShapeError("a coupling halves its channels, but there are " + std::to_string(channels));
  }
  ConvBranch conv_branch(Index channels) {
    auto first = norm_act_conv(channels, channels);
    return ConvBranch(std::move(first), norm_act_conv(channels, channels));
  }
  ConvBranch bottleneck_branch(Index channels) {
    const Index narrow = std::max<Index>(channels / 4, 1);
    auto first = norm_act_conv(channels, narrow, 1);
    auto second = norm_act_conv(narrow, narrow);
    return ConvBranch(std::move(first), std::move(second), norm_act_conv(narrow, channels, 1));
  }

  D& device_;
  Random random_;
  NormOptions norm_;
  bool trains_;
};

}  // namespace retrace::inline RETRACE_ISA
