#include "support/onednn.hpp"

namespace benchmark {

std::unique_ptr<retrace::ConvolutionBackend> onednn_backend() { return nullptr; }
std::function<void()> onednn_convolution(const retrace::onednn::Problem&, OneDnn, int) {
  return {};
}
std::string onednn_version() { return {}; }

}  // namespace benchmark
