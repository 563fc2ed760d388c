#include "support/onednn.hpp"

#include <algorithm>

#include "retrace/onednn/convolutions.hpp"

namespace benchmark {

using namespace retrace;

std::unique_ptr<ConvolutionBackend> onednn_backend() {
  return std::make_unique<onednn::Convolutions>();
}

std::function<void()> onednn_convolution(const onednn::Problem& problem, OneDnn how, int threads) {
  omp_set_num_threads(threads);
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  struct Run {
    onednn::Primitive primitive;
    onednn::Pass pass;
    dnnl::stream stream;
    onednn::Arguments arguments;
  };
  try {
    auto primitive = onednn::make_primitive(
        engine, problem, how == OneDnn::nhwc ? onednn::Layout::nhwc : onednn::Layout::preferred,
        how == OneDnn::winograd ? dnnl::algorithm::convolution_winograd
                                : dnnl::algorithm::convolution_direct);
    const auto memory = [&](const dnnl::memory::desc& layout) {
      dnnl::memory made(layout, engine);
      std::fill_n(static_cast<float*>(made.get_data_handle()), layout.get_size() / sizeof(float),
                  0.5f);
      return made;
    };
    const onednn::Arguments arguments{memory(primitive.x), memory(primitive.w), memory(primitive.y),
                                      memory(primitive.scratchpad)};
    Run run{std::move(primitive), problem.pass, dnnl::stream(engine), arguments};
    return [run] { onednn::execute(run.primitive, run.pass, run.stream, run.arguments); };
  } catch (const dnnl::error&) {
    return {};
  }
}

std::string onednn_version() {
  const dnnl::version_t* version = dnnl::version();
  return std::to_string(version->major) + '.' + std::to_string(version->minor) + '.' +
         std::to_string(version->patch);
}

}  // namespace benchmark
