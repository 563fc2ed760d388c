#include "cuda/traffic/steps.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "retrace/cuda.hpp"
#include "retrace/net/architectures.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "retrace/train/step.hpp"

namespace retrace::test {
namespace {

constexpr Shape batch{256, 32, 32, 3};

/// Returns the work of every operation of a step, in order.
std::vector<Work> operations_of(Architecture architecture, Mode mode) {
  Cuda dry = Cuda::dry_device();
  Cuda& device = dry;
  auto net = build<float>(device, architecture, paper_options(architecture));
  net.set_mode(mode);
  Sgd<float, Cuda> optimizer(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  Tensor<float, Cuda> x(device, batch);
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(batch.n), 0);
  std::vector<Work> list;
  device.list_work(&list);
  accumulate_gradients(net, x, cross_entropy(labels));
  optimizer.step(0.1);
  device.list_work(nullptr);
  return list;
}

StepWork measure(Architecture architecture, const char* mode_name, Mode mode) {
  StepWork step{.network = std::string(name(architecture)), .mode = mode_name};
  step.images = static_cast<double>(batch.n);
  step.seconds.assign(std::size(machines), 0.0);
  for (const Work& work : operations_of(architecture, mode)) {
    Share& share = work.multiply_adds > 0 ? step.products : step.passes;
    share.multiply_adds += work.multiply_adds;
    share.bytes += work.bytes;
    for (std::size_t i = 0; i < std::size(machines); ++i)
      step.seconds[i] += std::max(work.bytes / machines[i].bytes_a_second,
                                  2 * work.multiply_adds / machines[i].flops_a_second);
  }
  return step;
}

}  // namespace

std::vector<StepWork> measure_steps() {
  std::vector<StepWork> steps;
  for (Architecture architecture : all_architectures) {
    steps.push_back(measure(architecture, "stored", Mode::stored));
    switch (architecture) {
      case Architecture::resnet:
        break;
      case Architecture::hybrid:
        steps.push_back(measure(architecture, "reversible", Mode::reversible));
        [[fallthrough]];
      case Architecture::resnet_inplace_abn:
        steps.push_back(measure(architecture, "inverted", Mode::inverted));
        break;
      default:
        steps.push_back(measure(architecture, "reversible", Mode::reversible));
    }
  }
  return steps;
}

}  // namespace retrace::test
