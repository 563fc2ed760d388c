// Classifies images with a trained network. The weights come from a checkpoint of train_cifar10 or
// from any safetensors file with the same names (docs/interop.md).
//
//   classify WEIGHTS IMAGES.bin               the first 10 images of a CIFAR-10 file
//   classify WEIGHTS IMAGES.bin --first 100   the first 100 images
//   classify WEIGHTS IMAGE.ppm                one image, P6 with 8 bits
//   ... --logits                              the logits of all classes, with 9 digits
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>

#include "float_networks.hpp"
#include "retrace/net/inference.hpp"
#include "retrace/train/weights.hpp"

using namespace retrace;
using Net = Chain<float, Cpu>;

namespace {

constexpr std::array<const char*, 10> classes{"airplane", "automobile", "bird",  "cat",  "deer",
                                              "dog",      "frog",       "horse", "ship", "truck"};

struct Arguments {
  std::filesystem::path weights, images;
  Index first = 10;
  bool logits = false;
};

Arguments parse(int count, char** texts) {
  const std::invalid_argument usage(
      "usage: classify WEIGHTS.safetensors IMAGES.bin|IMAGE.ppm [--first N] [--logits]");
  if (count < 3) throw usage;
  Arguments arguments{.weights = texts[1], .images = texts[2]};
  for (int i = 3; i < count; ++i) {
    const std::string name = texts[i];
    if (name == "--logits")
      arguments.logits = true;
    else if (name == "--first" && i + 1 < count)
      arguments.first = std::stol(texts[++i]);
    else
      throw usage;
  }
  if (arguments.first < 1) throw usage;
  return arguments;
}

/// Returns the item of `all` with the given name, such as "revnet" in all_architectures.
template <class All>
auto named(const All& all, const std::string& wanted) {
  for (const auto each : all)
    if (name(each) == wanted) return each;
  throw DataError("nothing is called '" + wanted + "'");
}

/// Builds the network that the metadata of the file describes, and loads its weights. The network
/// is for inference only.
Net load_net(Cpu& device, const std::filesystem::path& weights) {
  const SafetensorsFile file(weights);
  const std::string* text = file.header().find("options");
  if (!text)
    throw DataError(file.name() + ": its metadata has no 'options' that say which network");
  const auto json = nlohmann::json::parse(*text);
  const Architecture architecture = named(all_architectures, json.at("arch"));
  NetOptions options = paper_options(architecture);
  options.channels = json.at("channels").get<std::vector<Index>>();
  options.blocks = json.at("blocks").get<std::vector<Index>>();
  options.slope = json.value("slope", options.slope);
  options.scale_floor = json.value("scale-floor", options.scale_floor);
  options.stream = named(all_streams, json.value("stream", "float"));
  options.trains = false;
  Net net = build<float>(device, architecture, options);
  load_weights(weights, net.parameters());
  fold(net);
  return net;
}

ImageSet read_ppm(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  Index width = 0, height = 0, most = 0;
  if (!(file >> magic >> width >> height >> most) || magic != "P6" || most != 255 || width < 1 ||
      height < 1 || width > 4096 || height > 4096)
    throw DataError(path.string() + ": is no PPM image of 8 bits (P6) of up to 4096 x 4096");
  file.get();
  ImageSet set{.name = path.string(), .height = height, .width = width};
  set.pixels.resize(static_cast<std::size_t>(set.image_size()));
  if (!file.read(reinterpret_cast<char*>(set.pixels.data()), set.image_size()))
    throw DataError(path.string() + ": ends before its last pixel");
  set.labels = {0};
  return set;
}

/// Returns the softmax probability of the largest logit.
double largest_probability(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return 1 / sum;
}

void run(const Arguments& arguments) {
  Cpu device;
  Net net = load_net(device, arguments.weights);
  const bool one = arguments.images.extension() == ".ppm";
  const ImageSet set = one ? read_ppm(arguments.images) : read_cifar10_file(arguments.images);
  std::vector<Index> indices(static_cast<std::size_t>(std::min(arguments.first, set.size())));
  std::iota(indices.begin(), indices.end(), Index{0});
  // The normalisation of CIFAR-10's training images, as measured by the trainer
  const PixelStatistics normalisation{{125.3, 123.0, 113.9}, {1 / 63.0, 1 / 62.1, 1 / 66.7}};
  auto [x, labels] = load_batch<float>(device, set, indices, normalisation);
  net.forward(x, inference);

  Index right = 0;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::span<const float> logits(x.view().pixel(static_cast<Index>(i)), classes.size());
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    right += best == labels[i];
    std::printf("image %zu: %s, %.1f %%\n", i, classes[static_cast<std::size_t>(best)],
                100 * largest_probability(logits));
    if (!arguments.logits) continue;
    for (const float logit : logits) std::printf(" %.9g", static_cast<double>(logit));
    std::printf("\n");
  }
  if (!one) std::printf("%ld of %zu as they are labelled\n", long{right}, indices.size());
}

}  // namespace

int main(int count, char** texts) {
  try {
    run(parse(count, texts));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "classify: %s\n", error.what());
    return 2;
  }
}
