// Small networks with a fixed-point state, and the results of a pass through them, as bytes.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "retrace/layer/channel_pooling.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "retrace/net/fixed_stream.hpp"
#include "support/branches.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

namespace retrace::test {

template <class E>
using FixedChain = Chain<float, Cpu, E>;
template <class E>
using SmallStream = FixedStream<E, float, Cpu>;

/// Returns a coupling whose branches are single normalised convolutions on half the channels.
inline AdditiveCoupling<Branch<float, Cpu>> small_coupling(Cpu& device, Index half,
                                                           Random& random) {
  Branch<float, Cpu> f = branch_of(NormActConv<float, Cpu>(device, half, half, random));
  return {std::move(f), branch_of(NormActConv<float, Cpu>(device, half, half, random))};
}

/// Builds blocks on `channels`, a channel pooling, and the same number of blocks after it.
template <class E>
SmallStream<E> small_stream(Cpu& device, int blocks, FixedStreamOptions options = {},
                            Index channels = 4) {
  Random random(1);
  SmallStream<E> stream(options);
  for (int i = 0; i < blocks; ++i)
    stream.chain().add("block" + std::to_string(i),
                       stream.rounded(small_coupling(device, channels / 2, random)));
  stream.chain().add("pool", ChannelPooling<E, Cpu, float>());
  for (int i = 0; i < blocks; ++i)
    stream.chain().add("block" + std::to_string(blocks + i),
                       stream.rounded(small_coupling(device, 2 * channels, random)));
  return stream;
}

using Memory = std::vector<unsigned char>;

template <class T>
Memory memory_of(const Tensor<T, Cpu>& x) {
  Memory bytes(static_cast<std::size_t>(x.shape().size()) * sizeof(T));
  if (!bytes.empty()) std::memcpy(bytes.data(), x.data(), bytes.size());
  return bytes;
}

template <class Net>
std::vector<Memory> gradient_memory(Net& net) {
  std::vector<Memory> list;
  ParameterList<float, Cpu> parameters;
  inside::collect(net, "", parameters);
  for (auto& named : parameters.parameters) list.push_back(memory_of(named.parameter->gradient));
  return list;
}

}  // namespace retrace::test
