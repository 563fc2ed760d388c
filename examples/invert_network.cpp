// Trains a small i-RevNet briefly, and reconstructs the images from its features.
//
// usage: invert_network [FILE.ppm [CIFAR-10 FOLDER]]
#include <cmath>
#include <fstream>
#include <iostream>
#include <retrace/retrace.hpp>

using namespace retrace;
using Net = Chain<float, Cpu>;

namespace {

constexpr std::size_t features = 8;  ///< number of layers before the features, all invertible

/// Builds a network without a stem: the image itself is pooled into channels, so all layers before
/// the head are invertible (Jacobsen et al. 2018).
Net small_irevnet(Cpu& device) {
  Blocks make(device);
  Net net;
  Index channels = 3;
  for (const char* level : {"level1", "level2"}) {
    channels *= 4;
    const std::string name(level);
    net.add(name + ".pool", make.channel_pooling());
    for (const char* block : {".block0", ".block1", ".block2"})
      net.add(name + block, make.coupling(channels));
  }
  net.add("norm", make.norm(channels)).add("average", make.average());
  net.add("linear", make.linear(channels, 10));
  return net;
}

void train(Net& net, Cpu& device, const ImageSet& images, const PixelStatistics& normal) {
  constexpr std::size_t steps = 100, batch = 32;
  Sgd<float, Cpu> optimizer(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  const OneCycle rate{.peak = 0.2, .steps = steps};
  const std::vector<Index> order = shuffled(images.size(), /*seed=*/1, /*epoch=*/0);
  for (std::size_t step = 0; step < steps; ++step) {
    const auto indices = std::span(order).subspan(step * batch, batch);
    auto [x, labels] = load_batch<float>(device, images, indices, normal);
    const double loss = accumulate_gradients(net, x, cross_entropy(labels)).mean();
    optimizer.step(rate(step));
    if (step % 20 == 19) std::cout << "step " << step + 1 << "  loss " << loss << '\n';
  }
}

/// A picture that consists of rows of pictures, with 8 bits per channel.
class Sheet {
 public:
  Sheet(Shape pictures, Index rows)
      : shape_(pictures),
        bytes_(static_cast<std::size_t>(rows * pictures.size()), std::uint8_t{0}) {}

  std::uint8_t& at(Index row, Index picture, Index y, Index x, Index channel) {
    const Index line = row * shape_.h + y, column = picture * shape_.w + x;
    return bytes_[static_cast<std::size_t>((line * shape_.n * shape_.w + column) * shape_.c +
                                           channel)];
  }
  void write_ppm(const std::string& path) const {
    std::ofstream file(path, std::ios::binary);
    const Index width = shape_.n * shape_.w;
    file << "P6\n" << width << ' ' << std::ssize(bytes_) / width / shape_.c << "\n255\n";
    file.write(reinterpret_cast<const char*>(bytes_.data()), std::ssize(bytes_));
    if (!file.flush()) throw DataError("cannot write " + path);
  }

 private:
  Shape shape_;
  std::vector<std::uint8_t> bytes_;
};

/// Draws the originals, the reconstructions, and their difference times 100,000 around grey.
/// @returns the number of 8-bit values that differ.
int compare(const Tensor<float, Cpu>& original, const Tensor<float, Cpu>& restored,
            const PixelStatistics& normal, Sheet& sheet) {
  const Shape s = original.shape();
  const auto byte = [](double value) {
    return static_cast<std::uint8_t>(std::lround(std::min(std::max(value, 0.0), 255.0)));
  };
  int different = 0;
  for (Index i = 0; i < s.size(); ++i) {
    const Index c = i % s.c, x = i / s.c % s.w, y = i / s.c / s.w % s.h, n = i / (s.c * s.w * s.h);
    const auto channel = static_cast<std::size_t>(c);
    const double deviation = 1 / normal.inverse_deviation[channel];
    const double from = original.data()[i] * deviation, to = restored.data()[i] * deviation;
    sheet.at(0, n, y, x, c) = byte(from + normal.mean[channel]);
    sheet.at(1, n, y, x, c) = byte(to + normal.mean[channel]);
    sheet.at(2, n, y, x, c) = byte(128 + 1e5 * (to - from));
    different += sheet.at(0, n, y, x, c) != sheet.at(1, n, y, x, c);
  }
  return different;
}

}  // namespace

int main(int count, char** arguments) {
  const std::string path = count > 1 ? arguments[1] : "invert_network.ppm";
  const ImageSet images =
      count > 2 ? read_cifar10_training(arguments[2]) : synthetic_images(3200, /*seed=*/1);
  const PixelStatistics normal = pixel_statistics(images);
  Cpu device;
  Net net = small_irevnet(device);
  train(net, device, images, normal);

  const std::vector<Index> first_eight{0, 1, 2, 3, 4, 5, 6, 7};
  const auto [original, labels] = load_batch<float>(device, images, first_eight, normal);
  auto x = clone(original);
  net.forward(x, inference, 0, features);
  std::cout << "features " << to_string(x.shape()) << " of images " << to_string(original.shape())
            << '\n';
  net.inverse(x, inference, 0, features);

  Sheet sheet(original.shape(), 3);
  const int different = compare(original, x, normal, sheet);
  sheet.write_ppm(path);
  const double decibels = signal_noise(original.view(), std::as_const(x).view()).decibels();
  std::cout << "signal to noise " << decibels << " dB; " << different << " of "
            << original.shape().size() << " values of 8 bits are others\n"
            << path << ": originals, reconstructions, their difference 100,000 times\n";
  return decibels > 60 && different == 0 ? 0 : 1;
}
