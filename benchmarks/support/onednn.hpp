// oneDNN, if this build has it (RETRACE_ONEDNN).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "retrace/cpu/conv_backend.hpp"
#include "retrace/onednn/problem.hpp"

namespace benchmark {

/// Returns convolutions by oneDNN for shapes where it is faster; null if this build lacks oneDNN.
std::unique_ptr<retrace::ConvolutionBackend> onednn_backend();

/// oneDNN's algorithm and layout: direct on NHWC, direct on its preferred layout, or Winograd.
enum class OneDnn { nhwc, preferred, winograd };

/// Returns a function that runs one pass on its own data, already in the kernel's layout. Empty if
/// this build, or oneDNN on this machine, has no such kernel.
std::function<void()> onednn_convolution(const retrace::onednn::Problem& problem, OneDnn how,
                                         int threads);

/// Returns a version such as "2.6.3", or "" if this build lacks oneDNN.
std::string onednn_version();

}  // namespace benchmark
