// Small networks of every architecture, the ways to spend memory on them, and what a training
// step gives.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "retrace/net/architectures.hpp"
#include "retrace/train/step.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

namespace retrace {
extern template Chain<double, Cpu> build<double, Cpu>(Cpu&, Architecture, const NetOptions&);
}

namespace retrace::test {

using Net = Chain<double, Cpu>;

/// The architecture with two or three narrow levels.
NetOptions small_options(Architecture architecture);
Net small_net(Cpu& device, Architecture architecture);
/// Of one level of 8 channels.
Net deep_net(Cpu& device, Architecture architecture, Index blocks);

/// Neither square nor a multiple of a vector, but halved as often as the small networks need.
inline constexpr Shape small_batch{5, 8, 12, 3};

/// A way to spend memory on one and the same network.
struct Way {
  std::string name;
  bool inverts;  ///< normalisations or activations are inverted: noise grows
  std::function<void(Net&)> choose;
};
std::vector<Way> ways(Architecture architecture);
Way way(Architecture architecture, const std::string& name);
/// Calls body(network, architecture, way) for every small network in each of its ways.
void for_every_way(Cpu& device, const std::function<void(Net&, Architecture, const Way&)>& body);

/// Rounding units of double by which inverting may move a gradient of the small network.
double noise_gain(Architecture architecture);

Tensor<double, Cpu> images(Cpu& device, Shape batch = small_batch, unsigned seed = 1);
std::vector<std::int32_t> labels(Index count);

std::vector<Values> weights(Net& net);
std::vector<Values> gradients(Net& net);
std::vector<Values> buffers(Net& net);
bool same_bits(const std::vector<Values>& a, const std::vector<Values>& b);
/// The largest relative distance of two lists' tensors.
double relative_distance(const std::vector<Values>& a, const std::vector<Values>& b);

/// What one step without an update gives: gradients are emptied before.
struct StepValues {
  LossValue loss;
  Values x;  ///< the batch, afterwards
  std::vector<Values> gradients, buffers;
};
StepValues step(Net& net, Cpu& device, Shape batch = small_batch, unsigned seed = 1);

}  // namespace retrace::test
