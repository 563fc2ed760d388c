// Trains a small network; compiled once for each instruction set, as the function named ANSWER.
#include "unit.hpp"

#include "retrace/retrace.hpp"

using namespace retrace;

Answer ANSWER() {
  Cpu device(1);
  Blocks<float, Cpu> make(device, NetOptions{});
  Chain<float, Cpu> net;
  net.add("stem", make.conv(3, 16)).add("block", make.coupling(16));
  net.add("average", GlobalAverage<float, Cpu>()).add("linear", make.linear(16, 10));
  Sgd<float, Cpu> optimizer(net.parameters(), {.momentum = 0.9});
  const ImageSet images = synthetic_images(8, /*seed=*/1);
  const std::vector<Index> order = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);

  Answer answer{instruction_set, vector_bytes, {}, {}};
  for (int step = 0; step < 3; ++step) {
    auto [x, labels] = load_batch<float>(device, images, order, pixel_statistics(images));
    answer.losses.push_back(accumulate_gradients(net, x, cross_entropy(labels)).mean());
    optimizer.step(0.1);
    const float* image = x.view().data();
    answer.first_image.assign(image, image + images.image_size());
  }
  return answer;
}
