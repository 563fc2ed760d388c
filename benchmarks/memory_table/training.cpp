#include "training.hpp"

#include <algorithm>
#include <span>

namespace memory_table {

using namespace retrace;

Batch::Batch(Cpu& device, Shape shape) : images(device, shape) {
  Random random(0, stream("noise"));
  for (float& value : std::span(images.data(), static_cast<std::size_t>(shape.size())))
    value = static_cast<float>(random.normal());
  for (Index i = 0; i < shape.n; ++i) labels.push_back(static_cast<std::uint8_t>(i % 10));
}

Training::Training(Cpu& device, Architecture architecture, const NetOptions& options)
    : device_(device),
      net_(build<Float>(device, architecture, options)),
      sgd_(net_.parameters(), SgdOptions{}) {}

Index Training::widest_convolution() {
  Index width = 0;
  for (const auto& named : sgd_.parameters().parameters) {
    const Shape shape = named.parameter->value.shape();
    if (shape.h > 1) width = std::max(width, shape.c);  // a 3x3 window, unlike what else is trained
  }
  return width;
}

void Training::step(Batch& batch) {
  accumulate_gradients(net_, batch.images, batch.labels);
  sgd_.step(1e-3);
}

PeakMemory Training::predict(Shape batch) { return peak_memory(net_, device_, batch); }

PeakMemory Training::measure(Shape batch) {
  device_.memory().restart_peak();
  Batch images(device_, batch);
  step(images);
  return {device_.memory().peak(), device_.memory().peak_place()};
}

}  // namespace memory_table
