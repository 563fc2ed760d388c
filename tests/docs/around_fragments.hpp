// What stands around a fragment of the documents: a network between two steps of training.
#pragma once

#include <iostream>
#include <retrace/retrace.hpp>

namespace retrace {

struct AroundFragment {
  static NetOptions small() { return {.channels = {8, 8}, .blocks = {1, 1}}; }

  Cpu device;
  Chain<Float, Cpu> net = revnet<Float>(device, small());
  Sgd<float, Cpu> optimizer{net.parameters(), {.momentum = 0.9}};
  double rate = 0.05;
  LabelledBatch<float, Cpu> batch = [this] {
    const ImageSet images = synthetic_images(8, /*seed=*/1);
    return load_batch<float>(device, images, shuffled(images.size(), 1, 0), normalisation(images));
  }();
  Tensor<float, Cpu>& x = batch.x;
  std::vector<std::uint8_t>& labels = batch.labels;
};

}  // namespace retrace
