// A network while it is being trained on noise: what benchmarks measure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "device.hpp"

namespace benchmark {

using ::Device;  // and not the concept of this name
using Net = retrace::Chain<float, Device>;

/// Puts a network into the mode that train_cifar10 calls by this name: stored, checkpoint,
/// reversible or inverted.
/// @throws std::invalid_argument for another name.
void select_mode(Net& net, std::string_view mode);

/// Images of noise and their labels.
struct Batch {
  Batch(Device& device, retrace::Shape shape);

  Net::State images;
  std::vector<std::int32_t> labels;
};

/// A network and its optimizer: momentum makes it hold three times its parameters.
class Training {
 public:
  Training(Device& device, retrace::Architecture architecture, const retrace::NetOptions& options,
           retrace::SgdOptions sgd = {});

  Net& net() { return net_; }
  retrace::Sgd<float, Device>& optimizer() { return sgd_; }
  Device& device() { return device_; }
  retrace::Index parameters() { return sgd_.parameters().count(); }
  /// The most channels that a convolution gives.
  retrace::Index widest_convolution();
  /// What is held between two steps.
  std::size_t bytes_at_rest() { return device_.memory().live().total(); }

  /// Forward, loss, backward, update: done when it returns.
  retrace::LossValue step(Batch& batch);

  /// Multiply-adds of convolutions and matrix products in a forward pass, and in a whole step.
  struct MultiplyAdds {
    double forward, step;
  };
  MultiplyAdds count(retrace::Shape batch);

  /// The peak of a step, by a dry run.
  retrace::PeakMemory predict(retrace::Shape batch);
  /// The peak of a step, by taking one.
  retrace::PeakMemory measure(retrace::Shape batch);

 private:
  Device& device_;
  Net net_;
  retrace::Sgd<float, Device> sgd_;
};

}  // namespace benchmark
