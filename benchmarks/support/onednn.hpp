// oneDNN, where this build has it (RETRACE_ONEDNN).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "retrace/cpu/conv_backend.hpp"
#include "retrace/onednn/problem.hpp"

namespace benchmark {

/// Convolutions by oneDNN where it is faster; null where this build does not have it.
std::unique_ptr<retrace::ConvolutionBackend> onednn_backend();

/// How oneDNN computes: its direct kernel on NHWC, on the layout it likes best, or Winograd's.
enum class OneDnn { nhwc, preferred, winograd };

/// Runs one pass on data of its own, which lies as the kernel wants it already. Empty where
/// this build, or oneDNN on this machine, has no such kernel.
std::function<void()> onednn_convolution(const retrace::onednn::Problem& problem, OneDnn how,
                                         int threads);

/// "2.6.3", or "" where this build does not have it.
std::string onednn_version();

}  // namespace benchmark
