#include "data.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <stdexcept>

#include "numbers.hpp"
#include "pixel_network.hpp"
#include "retrace/train/crc64.hpp"
#include "text.hpp"

using retrace::Index, retrace::Shape;

namespace {

constexpr Index synthetic_train_images = 20000, synthetic_test_images = 2000;
constexpr std::uint64_t synthetic_train_seed = 1, synthetic_test_seed = 2;

std::filesystem::path usual_folder() {
  if (const char* folder = std::getenv("RETRACE_CIFAR10"); folder && *folder) return folder;
  const std::filesystem::path folder = "data/cifar-10-batches-bin";
  std::error_code error;
  return std::filesystem::is_directory(folder, error) ? folder : std::filesystem::path();
}

/// Returns the requested number, limited to the available one; 0 means all.
Index at_most(Index wanted, Index available) {
  return wanted == 0 ? available : std::min(wanted, available);
}

DataSet drawn_data(const DataOptions& options) {
  const auto draw = [](Index wanted, Index available, std::uint64_t seed) {
    return samples_of(retrace::synthetic_images(at_most(wanted, available), seed));
  };
  std::vector<std::string> classes;
  for (int i = 0; i < retrace::synthetic::classes; ++i) classes.push_back(std::to_string(i));
  DataSet set = make_data_set(
      "synthetic", draw(options.train_samples, synthetic_train_images, synthetic_train_seed),
      draw(options.test_samples, synthetic_test_images, synthetic_test_seed), std::move(classes),
      options);
  set.synthetic = true;
  return set;
}

/// Returns the options of a small reversible network, which trains on 240,000 images of 28 x 28 in
/// minutes on two cores. Each level halves the image until a few rows or columns remain.
retrace::NetOptions small_revnet(Shape image) {
  const Index shorter = std::min(image.h, image.w);
  if (shorter < 4) return {.channels = {64}, .blocks = {4}};
  retrace::NetOptions options{.channels = {16}, .blocks = {2}};
  for (Index side = shorter / 2; side > 4 && options.channels.size() < 4; side /= 2) {
    options.channels.push_back(2 * options.channels.back());
    options.blocks.push_back(2);
  }
  return options;
}

std::string size_text(Shape shape) {
  return std::to_string(shape.h) + "x" + std::to_string(shape.w);
}

/// Returns the image shape, enlarged if necessary to multiples of some pixels.
Shape enlarged(Shape image, Index multiple) {
  const auto up = [multiple](Index side) { return (side + multiple - 1) / multiple * multiple; };
  return {1, up(image.h), up(image.w), image.c};
}

/// Returns "halves them 3 times" or "cuts them into patches of 4x4".
std::string pieces_text(const NetChoice& net) {
  if (has_levels(net.architecture))
    return "halves them " + std::to_string(net.options.channels.size() - 1) + " times";
  const Index patch = net.vision.patch;
  return "cuts them into patches of " + size_text({1, patch, patch, 1});
}

Augment usual_augment(const Options& options, const DataSet& data) {
  const Shape shape = data.train->shape();
  if (options.program.for_cifar10) return Augment::crop_flip;
  // In few epochs, a network does not learn its images by heart.
  constexpr std::size_t few_epochs = 10;
  const bool short_training = options.open.epochs && options.epochs < few_epochs;
  if (shape.pixels() == 1 || short_training) return Augment::none;
  return shape.c == 3 ? Augment::crop_flip : Augment::crop;
}

/// Sets the architecture and its levels.
void fit_network(Options& options, const DataSet& data) {
  NetChoice& net = options.net;
  net.labels_pixels = data.labels_pixels();
  if (net.labels_pixels && options.open.architecture) {
    net.architecture = Architecture::irevnet;
    options.learning_rate = options.open.learning_rate ? 0.05 : options.learning_rate;
    options.open.learning_rate = false;
  }
  if (net.labels_pixels && net.architecture != Architecture::irevnet)
    throw std::invalid_argument("--arch " + std::string(name(net.architecture)) +
                                " labels whole images, but " + data.name +
                                " has masks, which only irevnet labels");
  if (net.labels_pixels && (options.compare || options.cuda_graph))
    throw std::invalid_argument(std::string(options.compare ? "--compare" : "--cuda-graph") +
                                " is for images of one class, but " + data.name + " has masks");
  if (options.open.levels && (net.labels_pixels || options.open.architecture)) {
    const Shape image = data.train->shape();
    const retrace::NetOptions small =
        net.labels_pixels ? small_pixel_net(image) : small_revnet(image);
    net.options.channels = small.channels;
    net.options.blocks = small.blocks;
  }
}

/// Sets the batch, the number of epochs and the learning rate for a number of training images. Few
/// images have small batches, so that an epoch has steps enough, and many epochs.
void fit_length(Options& options, Index images) {
  constexpr Index usual_batch = 128, least_batch = 8, batches = 10;
  constexpr double usual_images = 240'000;
  constexpr std::size_t fewest_epochs = 4, most_epochs = 50;
  if (options.open.batch) {
    options.batch = usual_batch;
    while (options.batch > least_batch && options.batch * batches > images) options.batch /= 2;
    options.batch = std::min(options.batch, images);
  }
  if (options.open.epochs)
    options.epochs =
        std::clamp(static_cast<std::size_t>(usual_images / static_cast<double>(images)),
                   fewest_epochs, most_epochs);
  if (options.open.learning_rate)  // in proportion to the batch (Goyal et al. 2017)
    options.learning_rate *=
        std::min(1.0, static_cast<double>(options.batch) / static_cast<double>(usual_batch));
}

}  // namespace

DataSet load_data(const Options& options) {
  std::filesystem::path folder = options.data;
  if (folder.empty() && options.program.for_cifar10) folder = usual_folder();
  if (!folder.empty()) return read_data_set(folder, options.reading);
  if (!options.program.for_cifar10)
    throw std::invalid_argument(
        "--data is missing: it names the folder of the images (see --help)");
  if (options.reading.in_files)
    throw std::invalid_argument(
        "--read-batches leaves images in their files, but there are none: --data names their "
        "folder");
  return drawn_data(options.reading);
}

std::vector<std::string> fit_to_data(Options& options, const DataSet& data) {
  std::vector<std::string> notes;
  NetChoice& net = options.net;
  const Shape image = data.train->shape();
  fit_network(options, data);
  fit_length(options, data.train->size());
  if (options.open.batch || options.open.epochs || options.open.learning_rate)
    notes.push_back("for " + std::to_string(data.train->size()) + " training samples: batches of " +
                    std::to_string(options.batch) + ", " +
                    (options.steps ? "" : std::to_string(options.epochs) + " epochs, ") +
                    "learning rate up to " + shortest(options.learning_rate) +
                    " (--batch, --epochs and --lr change that)");
  net.options.image_channels = image.c;
  net.options.classes = static_cast<Index>(data.classes.size());
  net.image = enlarged(image, image_multiple(net));
  if (net.image != image)
    notes.push_back("images of " + size_text(image) + " are padded to " + size_text(net.image) +
                    " by their mirror image, because the network " + pieces_text(net));
  if (!options.augment) options.augment = usual_augment(options, data);
  if (!options.crop_padding)
    options.crop_padding = static_cast<std::uint32_t>(std::min(image.h, image.w) / 8);
  if (!options.decode_threads)
    options.decode_threads = data.train->in_memory() ? 0 : std::max(1, options.reading.threads / 2);
  return notes;
}

Preparation preparation(const NetChoice& net, const DataSet& data) {
  return {data.normalisation, net.image};
}

RandomChanges random_changes(const Options& options) {
  const Augment augment = options.augment.value_or(Augment::none);
  return {.crop = augment == Augment::crop || augment == Augment::crop_flip,
          .flip = augment == Augment::flip || augment == Augment::crop_flip,
          .padding = options.crop_padding.value_or(0),
          .seed = options.seed};
}

std::vector<double> class_weights(const Options& options, const DataSet& data) {
  const std::string& text = options.class_weights;
  std::vector<double> weights;
  if (text == "balanced") {
    std::uint64_t all = 0;
    for (const std::uint64_t count : data.class_counts) all += count;
    for (const std::uint64_t count : data.class_counts)  // a class without samples needs no weight
      weights.push_back(count == 0 ? 0
                                   : static_cast<double>(all) /
                                         static_cast<double>(count * data.classes.size()));
    return weights;
  }
  for (std::size_t first = 0; !text.empty() && first <= text.size();) {
    const std::string each = text.substr(first, text.find(',', first) - first);
    first += each.size() + 1;
    if (const std::string wrong = number_from_0()(each); !wrong.empty())
      throw std::invalid_argument("--class-weights: " + wrong + "; it may also be balanced");
    weights.push_back(std::stod(each));
  }
  if (!text.empty() && weights.size() != data.classes.size())
    throw std::invalid_argument("--class-weights has " + std::to_string(weights.size()) +
                                " numbers, but there are " + std::to_string(data.classes.size()) +
                                " classes");
  return weights;
}

std::string former_checksum(const DataSet& data) {
  retrace::Crc64 sum;
  const auto add = [&sum](const auto& numbers) {
    const std::vector<std::uint8_t> bytes(numbers.begin(), numbers.end());
    sum.add_values(std::span(bytes));
  };
  for (const auto& samples : {data.train, data.test}) {
    for (Index i = 0; i < samples->size(); ++i) add(std::vector{label(*samples, i)});
    std::vector<float> values(static_cast<std::size_t>(samples->shape().size()));
    for (Index i = 0; i < samples->size(); ++i) {
      samples->read(i, values);
      add(values);
    }
  }
  return sum.digits();
}

Batch to_device(Device& device, const HostBatch& batch, Shape shape) {
  Batch result{retrace::Tensor<float, Device>(device, shape), {}};
  upload(result.x.view(), std::span<const float>(batch.values));
  result.labels = batch.labels;
  return result;
}

Batch first_batch(Device& device, const NetChoice& net, const DataSet& data, Index count) {
  std::vector<Index> first(static_cast<std::size_t>(count));
  std::iota(first.begin(), first.end(), Index{0});
  return to_device(device, BatchMaker(*data.train, preparation(net, data)).make({first, 0}),
                   net.batch_shape(count));
}
