// A first network: two reversible blocks, trained on synthetic images.
#include <iostream>
#include <numeric>
#include <retrace/retrace.hpp>

using namespace retrace;

int main() {
  // A network is a chain of layers. The blocks store no activations: in backward each reconstructs
  // its input from its output.
  Cpu device;
  Blocks make(device);
  Chain<float, Cpu> net;
  net.add("stem", make.conv(3, 16)).add("block1", make.coupling(16));
  net.add("pool", make.channel_pooling()).add("block2", make.coupling(64));
  net.add("norm", make.norm(64)).add("average", make.average());
  net.add("linear", make.linear(64, 10));

  // One epoch.
  constexpr std::size_t steps = 100, batch = 32;
  const ImageSet images = synthetic_images(steps * batch, /*seed=*/1);
  const PixelStatistics normal = pixel_statistics(images);
  const std::vector<Index> order = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);
  Sgd<float, Cpu> optimizer(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  const OneCycle rate{.peak = 0.2, .steps = steps};
  std::vector<double> losses;
  const auto mean_of_ten = [&losses](std::size_t first) {
    return std::accumulate(&losses[first], &losses[first] + 10, 0.0) / 10;
  };
  for (std::size_t step = 0; step < steps; ++step) {
    const auto indices = std::span(order).subspan(step * batch, batch);
    auto [x, labels] = load_batch<float>(device, images, indices, normal);
    losses.push_back(accumulate_gradients(net, x, cross_entropy(labels)).mean());
    optimizer.step(rate(step));
    if (step % 10 == 9)
      std::cout << "step " << step + 1 << "  loss " << mean_of_ten(step - 9) << std::endl;
  }

  std::cout << "peak memory " << format_bytes(double(device.memory().peak().total())) << '\n';
  return mean_of_ten(steps - 10) < mean_of_ten(0) ? 0 : 1;
}
