// Convolutions as Eigen matrix products: a reference implementation.
#pragma once

#include <functional>

#include "retrace/cpu/cpu.hpp"
#include "retrace/onednn/problem.hpp"

namespace convolution {

/// Returns a function that runs one pass on its own data with as many threads as the device. It
/// writes image rows as a matrix of k·k·C columns (im2col), as many as stay in the cache, and
/// multiplies. Empty for a stride other than 1.
std::function<void()> eigen_convolution(retrace::Cpu& device,
                                        const retrace::onednn::Problem& problem);

}  // namespace convolution
