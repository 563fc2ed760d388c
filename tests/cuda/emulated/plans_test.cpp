// The convolutions for which the real cuDNN has plans on a GPU, and their workspace.
#include "cuda/devices.hpp"
#include "cuda/doubles/cudnn_control.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Returns how many of the three passes of a convolution use cuDNN.
std::size_t passes_by_cudnn(ConvolutionType type, Shape x, Index outputs, Index stride) {
  Cuda gpu(0, {.convolutions = type, .workspace_limit = 64 << 20});
  Operands<float, Cuda> operands(
      gpu, {x, {x.n, x.h / stride, x.w / stride, outputs}, {3, 3, x.c, outputs}}, {0, 0});
  doubles::reset_executions();
  conv2d(operands[1], operands[0], operands[2], stride);
  conv2d_input_gradient(operands[0], operands[1], operands[2], stride);
  conv2d_weight_gradient(operands[2], operands[0], operands[1], stride);
  gpu.synchronize();
  CHECK(doubles::executions().workspace <= 64 << 20);
  return doubles::executions().count;
}

}  // namespace

TEST_CASE("cuDNN has plans for every type of convolution that a GPU supports") {
  for (int capability : {75, 80, 90, 120}) {
    doubles::set_capability(capability);
    for (ConvolutionType type : {ConvolutionType::float32, ConvolutionType::tf32,
                                 ConvolutionType::half, ConvolutionType::bfloat16})
      // The stem, and layers of the paper's networks.
      for (auto [x, outputs, stride] : {std::tuple{Shape{2, 8, 8, 3}, 32, 1},
                                        {{2, 8, 8, 20}, 20, 1},
                                        {{2, 8, 8, 64}, 64, 1},
                                        {{2, 8, 8, 40}, 80, 2}}) {
        CAPTURE(capability, static_cast<int>(type), to_string(x), outputs);
        const bool knows = type != ConvolutionType::bfloat16 || capability >= 80;
        CHECK(passes_by_cudnn(type, x, outputs, stride) == (knows ? 3u : 0u));
      }
  }
  doubles::set_capability(90);
}
