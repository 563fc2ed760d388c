// A program outside the tree: a layer takes a batch of images there and back.
#include <algorithm>
#include <iostream>
#include <retrace/retrace.hpp>
#include <vector>

using namespace retrace;

int main() {
  Cpu device;
  const ImageSet images = synthetic_images(4, /*seed=*/1);
  const std::vector<Index> order = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);
  auto [x, labels] = load_batch<float>(device, images, order, pixel_statistics(images));
  const View<float, Cpu> view = x.view();
  const std::vector<float> before(view.data(), view.data() + view.shape().size());
  LeakyRelu<float, Cpu> layer(0.5);
  layer.forward(x, training);
  if (std::equal(before.begin(), before.end(), view.data())) return 1;
  layer.inverse(x, training);
  if (!std::equal(before.begin(), before.end(), view.data())) return 2;
  std::cout << "there and back with " << instruction_set << '\n';
}
