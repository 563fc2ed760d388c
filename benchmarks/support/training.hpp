// A network in training on noise, for benchmarks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "device.hpp"

namespace benchmark {

using ::Device;  // not the concept of this name
using Net = retrace::Chain<float, Device>;

/// Puts a network into the mode with this name in train_cifar10: stored, checkpoint, reversible or
/// inverted.
/// @throws std::invalid_argument for other names.
void select_mode(Net& net, std::string_view mode);

/// Noise images and their labels.
struct Batch {
  Batch(Device& device, retrace::Shape shape);

  Net::State images;
  std::vector<std::int32_t> labels;
};

/// A network and its optimizer. With momentum and gradients it stores its parameters three times.
class Training {
 public:
  Training(Device& device, retrace::Architecture architecture, const retrace::NetOptions& options,
           retrace::SgdOptions sgd = {});

  Net& net() { return net_; }
  retrace::Sgd<float, Device>& optimizer() { return sgd_; }
  Device& device() { return device_; }
  retrace::Index parameters() { return sgd_.parameters().count(); }
  /// Returns the largest number of output channels of a convolution.
  retrace::Index widest_convolution();
  /// Returns the bytes that are held between steps.
  std::size_t bytes_at_rest() { return device_.memory().live().total(); }

  /// Runs forward, loss, backward and update, and waits until they are finished.
  retrace::LossValue step(Batch& batch);

  /// Multiply-adds of convolutions and matrix products in a forward pass and in a whole step.
  struct MultiplyAdds {
    double forward, step;
  };
  MultiplyAdds count(retrace::Shape batch);

  /// Predicts the peak of a step by a dry run.
  retrace::PeakMemory predict(retrace::Shape batch);
  /// Measures the peak of a step.
  retrace::PeakMemory measure(retrace::Shape batch);

 private:
  Device& device_;
  Net net_;
  retrace::Sgd<float, Device> sgd_;
};

}  // namespace benchmark
