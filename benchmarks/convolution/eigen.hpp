// Convolutions as products of matrices by Eigen: the reference that is easily had.
#pragma once

#include <functional>

#include "retrace/cpu/cpu.hpp"
#include "retrace/onednn/problem.hpp"

namespace convolution {

/// Runs one pass on data of its own, with as many threads as the device: rows of images are
/// written out as a matrix of k·k·C columns (im2col) as far as they stay in the cache, and
/// multiplied. Empty for a stride other than 1.
std::function<void()> eigen_convolution(retrace::Cpu& device,
                                        const retrace::onednn::Problem& problem);

}  // namespace convolution
