#include "support/training.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>

namespace benchmark {

using namespace retrace;

void select_mode(Net& net, std::string_view mode) {
  if (mode == "stored")
    net.set_mode(Mode::stored);
  else if (mode == "reversible")
    net.set_mode(Mode::reversible);
  else if (mode == "inverted")
    net.set_mode(Mode::inverted);
  else if (mode == "chunked")
    net.set_mode(Mode::chunked);
  else if (mode == "checkpoint")
    net.checkpoint_sqrt();
  else
    throw std::invalid_argument("mode is '" + std::string(mode) +
                                "', but must be stored, checkpoint, reversible, inverted or "
                                "chunked");
}

Batch::Batch(Device& device, Shape shape) : images(device, shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.size()));
  Random random(0, substream("noise"));
  for (float& value : values) value = static_cast<float>(random.normal());
  upload(images.view(), std::span<const float>(values));
  for (Index i = 0; i < shape.n; ++i) labels.push_back(static_cast<std::int32_t>(i % 10));
}

Training::Training(Device& device, Architecture architecture, const NetOptions& options,
                   SgdOptions sgd)
    : device_(device),
      net_(build<float>(device, architecture, options)),
      sgd_(net_.parameters(), sgd) {}

Index Training::widest_convolution() {
  Index width = 0;
  for (const auto& named : sgd_.parameters().parameters) {
    const Shape shape = named.parameter->value.shape();
    if (shape.h > 1) width = std::max(width, shape.c);  // convolutions only
  }
  return width;
}

LossValue Training::step(Batch& batch) {
  const LossValue loss = accumulate_gradients(net_, batch.images, cross_entropy(batch.labels));
  sgd_.step(1e-3);
  finish(device_);
  return loss;
}

Training::MultiplyAdds Training::count(Shape batch) {
  const auto dry = [&](auto pass) {
    const Device::Rehearsal rehearsal(device_);
    Net::State x(device_, batch);
    pass(x);
    return device_.work().multiply_adds;
  };
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(batch.n), 0);
  return {dry([&](Net::State& x) { net_.forward(x, inference); }),
          dry([&](Net::State& x) { accumulate_gradients(net_, x, cross_entropy(labels)); })};
}

PeakMemory Training::predict(Shape batch) { return peak_memory(net_, device_, batch); }

PeakMemory Training::measure(Shape batch) {
  device_.memory().restart_peak();
  Batch images(device_, batch);
  step(images);
  return {device_.memory().peak(), device_.memory().peak_place()};
}

}  // namespace benchmark
