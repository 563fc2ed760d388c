#include "inputs.hpp"

#include <algorithm>
#include <fstream>
#include <numeric>
#include <thread>

#include "cifar.hpp"
#include "text.hpp"

using retrace::DataError, retrace::Index;
namespace fs = std::filesystem;

namespace {

/// Reads a PPM image (P6) of 8 bits.
std::shared_ptr<const Samples> read_ppm(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string magic;
  Index width = 0, height = 0, most = 0;
  if (!(file >> magic >> width >> height >> most) || magic != "P6" || most != 255 || width < 1 ||
      height < 1 || width > 4096 || height > 4096)
    throw DataError(path.string() + ": is no PPM image of 8 bits (P6) of up to 4096 x 4096");
  file.get();
  retrace::ImageSet set{.name = path.string(), .height = height, .width = width};
  set.pixels.resize(static_cast<std::size_t>(set.image_size()));
  if (!file.read(reinterpret_cast<char*>(set.pixels.data()), set.image_size()))
    throw DataError(path.string() + ": ends before its last pixel");
  set.labels = {0};
  return samples_of(std::move(set));
}

std::vector<std::int32_t> same_labels(std::size_t classes) {
  std::vector<std::int32_t> labels(classes);
  std::iota(labels.begin(), labels.end(), 0);
  return labels;
}

/// Returns the network's class of each class of the data, by its name.
std::vector<std::int32_t> labels_by_name(const std::vector<std::string>& data,
                                         const TrainedNet& trained) {
  if (data == trained.classes) return same_labels(data.size());
  std::vector<std::int32_t> labels;
  for (const std::string& name : data) {
    const auto at = std::find(trained.classes.begin(), trained.classes.end(), name);
    if (at == trained.classes.end())
      throw DataError("the images have a class '" + name + "', but the network only knows " +
                      one_of(trained.classes));
    labels.push_back(static_cast<std::int32_t>(at - trained.classes.begin()));
  }
  return labels;
}

Inputs data_set_inputs(const InputOptions& options, const TrainedNet& trained) {
  DataOptions reading{
      .format = options.format,
      .validation = options.validation > 0 ? options.validation : trained.validation,
      .threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency())),
      .image_size = {{trained.sample.h, trained.sample.w}},
      .pictures = {.fit = trained.fit},
      .label_column = options.label_column,
      .row_shape = trained.sample};
  reading.channels = trained.sample.c;
  const DataSet data = read_data_set(options.path, reading);
  if (data.labels_pixels() != trained.labels_pixels)
    throw DataError(options.path.string() + (trained.labels_pixels
                                                 ? ": has no masks, but the network labels pixels"
                                                 : ": has masks, but the network labels images"));
  return {options.part == "train" ? data.train : data.test, labels_by_name(data.classes, trained)};
}

Inputs file_inputs(const InputOptions& options, const TrainedNet& trained) {
  const std::string extension = options.path.extension().string();
  Inputs inputs{.label_of = same_labels(trained.classes.size()), .is_file = true};
  if (extension == ".bin") {
    inputs.samples = read_cifar({options.path}, cifar10);
    return inputs;
  }
  inputs.labelled = false;
  inputs.samples = extension == ".ppm" ? read_ppm(options.path)
                                       : picture_samples({{.path = options.path}}, trained.sample,
                                                         {.fit = trained.fit});
  return inputs;
}

}  // namespace

Inputs read_inputs(const InputOptions& options, const TrainedNet& trained) {
  const bool is_file = fs::is_regular_file(options.path) && options.path.extension() != ".csv";
  Inputs inputs = is_file ? file_inputs(options, trained) : data_set_inputs(options, trained);
  const retrace::Shape shape = inputs.samples->shape();
  if (shape.c != trained.sample.c || shape.h > trained.input.h || shape.w > trained.input.w)
    throw DataError(options.path.string() + ": has samples of " + to_string(shape) +
                    ", but the network takes " + to_string(trained.input));
  return inputs;
}
