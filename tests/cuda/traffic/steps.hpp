// What a training step of a network asks of a GPU, by a dry run, and how long it takes at least.
#pragma once

#include <string>
#include <vector>

namespace retrace::test {

/// A class of GPUs, by what its makers say.
struct Machine {
  std::string name;
  double bytes_a_second, flops_a_second;  ///< of memory; of float32, a multiply-add being two
};
inline const Machine machines[] = {{"H100 (3.35 TB/s, 67 TFLOP/s)", 3.35e12, 67e12},
                                   {"T4 (320 GB/s, 8.1 TFLOP/s)", 320e9, 8.1e12},
                                   {"Jetson Orin class (205 GB/s, 5.3 TFLOP/s)", 205e9, 5.3e12}};

/// Work of every operation of one kind in a step.
struct Share {
  double multiply_adds = 0, bytes = 0;
};

struct StepWork {
  std::string network, mode;
  Share products;  ///< convolutions and products of matrices, each operand once
  Share passes;    ///< everything else
  double images = 0;
  std::vector<double> seconds;  ///< of each machine: its roofline, operation by operation
};

/// Steps of every network of the paper, stored and in the reversible and inverted modes that it
/// has, on 256 images of 32 x 32, in float, with the update.
std::vector<StepWork> measure_steps();

}  // namespace retrace::test
