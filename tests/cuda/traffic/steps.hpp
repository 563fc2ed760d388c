// The memory traffic of a training step on a GPU, by a dry run, and its least time.
#pragma once

#include <string>
#include <vector>

namespace retrace::test {

/// A class of GPUs, as specified by the vendor.
struct Machine {
  std::string name;
  double bytes_a_second, flops_a_second;  ///< memory bandwidth; float32 rate, two per multiply-add
};
inline const Machine machines[] = {{"H100 (3.35 TB/s, 67 TFLOP/s)", 3.35e12, 67e12},
                                   {"T4 (320 GB/s, 8.1 TFLOP/s)", 320e9, 8.1e12},
                                   {"Jetson Orin class (205 GB/s, 5.3 TFLOP/s)", 205e9, 5.3e12}};

/// The work of all operations of one kind in a step.
struct Share {
  double multiply_adds = 0, bytes = 0;
};

struct StepWork {
  std::string network, mode;
  Share products;  ///< convolutions and matrix products, each operand once
  Share passes;    ///< everything else
  double images = 0;
  std::vector<double> seconds;  ///< per machine: the sum of its roofline over operations
};

/// Measures steps of every network of the paper, stored and in its reversible and inverted modes,
/// on 256 images of 32 x 32 in float, including the update.
std::vector<StepWork> measure_steps();

}  // namespace retrace::test
