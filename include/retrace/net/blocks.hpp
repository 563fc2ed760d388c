// The blocks that the networks are built of.
#pragma once

#include <algorithm>
#include <cstdint>
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
#include "retrace/layer/padding.hpp"
#include "retrace/net/branch.hpp"
#include "retrace/net/residual.hpp"

namespace retrace::inline RETRACE_ISA {

/// Options of the layers that Blocks makes.
struct BlockOptions {
  double slope = 0;          ///< of the rectifiers: ReLU, or leaky if they are inverted
  double scale_floor = 0.1;  ///< ε_i of invertible normalisations
  std::uint64_t seed = 0;    ///< of the first weights
  bool trains = true;        ///< if not, the parameters hold no memory for gradients
};

/// Makes layers on one device, with weights from one sequence of random numbers.
///
///     Cpu device;
///     Blocks make(device);  // of float elements
///     net.add("stem", make.conv(3, 16)).add("block", make.coupling(16));
template <class T, Device D>
class Blocks {
 public:
  explicit Blocks(D& device, const BlockOptions& options = {})
      : device_(device),
        random_(options.seed, substream("weights")),
        norm_{.activation = {options.slope}, .scale_floor = options.scale_floor},
        trains_(options.trains) {}

  Conv2d<T, D> conv(Index in, Index out, Index kernel = 3, double gain = 1) {
    return made<Conv2d<T, D>>(in, out, random_, ConvOptions{.kernel = kernel, .gain = gain});
  }
  NormActConv<T, D> norm_act_conv(Index in, Index out, Index kernel = 3) {
    return made<NormActConv<T, D>>(in, out, random_, ConvOptions{.kernel = kernel}, norm_);
  }
  BatchNorm<T, D> norm(Index channels) { return made<BatchNorm<T, D>>(channels, norm_); }
  /// @throws std::invalid_argument unless the slope and the floor of the scale are positive.
  InvertibleBatchNorm<T, D> invertible_norm(Index channels) {
    return made<InvertibleBatchNorm<T, D>>(channels, norm_);
  }
  Linear<T, D> linear(Index in, Index out) { return made<Linear<T, D>>(in, out, random_); }
  Padding<T, D> padding(Index multiple) const { return Padding<T, D>(multiple); }
  MaxPooling<T, D> max_pooling() const { return {}; }
  ChannelPooling<T, D> channel_pooling() const { return {}; }
  BatchPooling<T, D> batch_pooling() const { return {}; }
  GlobalAverage<T, D> average(Index sub_images = 1) const {
    return GlobalAverage<T, D>(sub_images);
  }

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
  /// A residual block around a chain, with a 3x3 shortcut if the channels change.
  Residual<T, D> residual(Index in, Index out, Chain<T, D> chain) {
    if (in == out) return Residual<T, D>(std::move(chain));
    return Residual<T, D>(std::move(chain), conv(in, out));
  }

  using Coupling = AdditiveCoupling<Branch<T, D>>;

  /// A reversible block whose branches are two normalised 3x3 convolutions on half the channels.
  /// @throws ShapeError if the channels are odd in number.
  Coupling coupling(Index channels) {
    return couple(channels,
                  [&](Index half) { return Branch<T, D>(pre_activation_chain(half, half)); });
  }
  /// A reversible block with bottleneck branches: 1x1 to a quarter of the half, 3x3, 1x1 back.
  /// @throws ShapeError if the channels are odd in number.
  Coupling bottleneck_coupling(Index channels) {
    return couple(channels, [&](Index half) {
      const Index narrow = std::max<Index>(half / 4, 1);
      Branch<T, D> branch;
      branch.add("conv0", norm_act_conv(half, narrow, 1))
          .add("conv1", norm_act_conv(narrow, narrow));
      branch.add("conv2", norm_act_conv(narrow, half, 1));
      return branch;
    });
  }
  /// A convolution inverted by partition: a coupling of two single convolutions. Its first weights
  /// are small, so that it starts near the identity: with He's own, every inverse would multiply
  /// the noise, and 14 such layers lose all of float32's digits at the first step.
  /// @throws ShapeError if the channels are odd in number.
  Coupling invertible_conv(Index channels) {
    return couple(channels, [&](Index half) {
      Branch<T, D> branch;
      branch.add("conv0", conv(half, half, 3, partition_gain));
      return branch;
    });
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
  /// @throws ShapeError unless the channels are a multiple of 4.
  Coupling inverted_coupling(Index channels) {
    return couple(channels, [&](Index half) { return Branch<T, D>(invertible_chain(half)); });
  }

 private:
  static constexpr double partition_gain = 0.3;

  template <class MakeBranch>
  Coupling couple(Index channels, MakeBranch branch) {
    const Index half = half_of(per_channel(channels)).c;
    Branch<T, D> f = branch(half);
    return {std::move(f), branch(half)};
  }

  /// Frees the gradients of a layer that will not train before the next one is made.
  template <class L, class... Arguments>
  L made(Arguments&&... arguments) {
    L layer(device_, std::forward<Arguments>(arguments)...);
    if (!trains_) {
      ParameterList<T, D> list;
      inside::collect(layer, "", list);
      list.release_gradients();
    }
    return layer;
  }

  D& device_;
  Random random_;
  NormOptions norm_;
  bool trains_;
};

template <Device D>
Blocks(D&) -> Blocks<float, D>;
template <Device D>
Blocks(D&, BlockOptions) -> Blocks<float, D>;

}  // namespace retrace::inline RETRACE_ISA
