// What stands around a fragment of the documents: a network between two steps of training.
#pragma once

#include <cstdio>
#include <iostream>
#include <retrace/retrace.hpp>

namespace retrace {

/// A layer of one's own, by the name that docs/debugging.md gives it.
template <class T>
struct ChannelScale : LeakyRelu<T, Cpu> {
  ChannelScale(Cpu&, Index) : LeakyRelu<T, Cpu>(0.5) {}
};

struct AroundFragment {
  using Net = Chain<float, Cpu>;

  static NetOptions small() { return {.channels = {8, 8}, .blocks = {1, 1}}; }

  Cpu device;
  Net net = revnet<float>(device, small());
  Sgd<float, Cpu> optimizer{net.parameters(), {.momentum = 0.9}};
  double rate = 0.05;
  LabelledBatch<float, Cpu> batch = [this] {
    const ImageSet images = synthetic_images(8, /*seed=*/1);
    return load_batch<float>(device, images, shuffled(images.size(), 1, 0),
                             pixel_statistics(images));
  }();
  Tensor<float, Cpu>& x = batch.x;
  std::vector<std::int32_t>& labels = batch.labels;
};

}  // namespace retrace
