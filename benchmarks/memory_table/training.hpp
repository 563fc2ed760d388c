// A network of the comparison while it is being trained.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "configurations.hpp"

namespace memory_table {

/// Images of noise and their labels.
struct Batch {
  Batch(retrace::Cpu& device, retrace::Shape shape);

  Net::State images;
  std::vector<std::uint8_t> labels;
};

/// A network and its optimizer: momentum makes it hold three times its parameters.
class Training {
 public:
  Training(retrace::Cpu& device, retrace::Architecture architecture,
           const retrace::NetOptions& options);

  Net& net() { return net_; }
  retrace::Index parameters() { return sgd_.parameters().count(); }
  /// The most channels that a convolution gives.
  retrace::Index widest_convolution();
  /// What is held between two steps.
  std::size_t bytes_at_rest() { return device_.memory().live().total(); }

  void step(Batch& batch);

  /// The peak of a step, by a dry run.
  retrace::PeakMemory predict(retrace::Shape batch);
  /// The peak of a step, by taking one.
  retrace::PeakMemory measure(retrace::Shape batch);

 private:
  retrace::Cpu& device_;
  Net net_;
  retrace::Sgd<float, retrace::Cpu> sgd_;
};

}  // namespace memory_table
