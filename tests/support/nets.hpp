// Small networks of every architecture, their memory modes, and the results of a training step.
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

/// Returns options of the architecture with two or three narrow levels.
NetOptions small_options(Architecture architecture);
Net small_net(Cpu& device, Architecture architecture);
/// Returns a network with one level of 8 channels.
Net deep_net(Cpu& device, Architecture architecture, Index blocks);

/// Neither square nor a multiple of a vector, but divisible by 2 as often as the small networks
/// need.
inline constexpr Shape small_batch{5, 8, 12, 3};

/// A memory mode of a network.
struct Way {
  std::string name;
  bool inverts;  ///< normalisations or activations are inverted, which amplifies noise
  std::function<void(Net&)> choose;
};
std::vector<Way> ways(Architecture architecture);
Way way(Architecture architecture, const std::string& name);
/// Calls body(network, architecture, way) for every small network in each of its modes.
void for_every_way(Cpu& device, const std::function<void(Net&, Architecture, const Way&)>& body);

/// Returns the rounding units of double by which inversion may change a gradient of the small
/// network.
double noise_gain(Architecture architecture);

Tensor<double, Cpu> images(Cpu& device, Shape batch = small_batch, unsigned seed = 1);
std::vector<std::int32_t> labels(Index count);

std::vector<Values> weights(Net& net);
std::vector<Values> gradients(Net& net);
std::vector<Values> buffers(Net& net);
/// Returns the largest relative distance between tensors of two lists.
double relative_distance(const std::vector<Values>& a, const std::vector<Values>& b);

/// The results of one step without an update, starting from zero gradients.
struct StepValues {
  LossValue loss;
  Values x;  ///< the batch after the step
  std::vector<Values> gradients, buffers;
};
StepValues step(Net& net, Cpu& device, Shape batch = small_batch, unsigned seed = 1);

}  // namespace retrace::test
