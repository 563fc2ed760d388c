#include "flow_data.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <set>

#include "data_set.hpp"
#include "number_table.hpp"
#include "retrace/core/error.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/train/augmentation.hpp"
#include "retrace/train/crc64.hpp"

using retrace::DataError, retrace::Index, retrace::Random, retrace::substream;
namespace fs = std::filesystem;

namespace {

constexpr Index moon_points = 20'000;
constexpr double moon_noise = 0.05;

/// Returns points of two half circles that interlock, with noise.
std::vector<float> moons(Index count, Random random) {
  std::vector<float> rows;
  for (Index i = 0; i < count; ++i) {
    const double angle = std::numbers::pi * random.uniform();
    const bool lower = random.below(2) == 1;
    const double x = lower ? 1 - std::cos(angle) : std::cos(angle);
    const double y = lower ? 0.5 - std::sin(angle) : std::sin(angle);
    rows.push_back(static_cast<float>(x + moon_noise * random.normal()));
    rows.push_back(static_cast<float>(y + moon_noise * random.normal()));
  }
  return rows;
}

/// Takes some rows out of all, in the order of `rows`.
FlowSamples some_rows(const std::vector<float>& all, std::size_t columns,
                      std::span<const Index> rows) {
  FlowSamples part{.count = std::ssize(rows)};
  for (const Index row : rows) {
    const auto from = all.begin() + row * static_cast<std::ptrdiff_t>(columns);
    part.rows.insert(part.rows.end(), from, from + static_cast<std::ptrdiff_t>(columns));
  }
  return part;
}

void shorten(FlowSamples& part, Index most, Index each) {
  if (most == 0 || most >= part.count) return;
  part.count = most;
  const auto values = static_cast<std::size_t>(most * each);
  if (!part.pixels.empty()) part.pixels.resize(values);
  if (!part.rows.empty()) part.rows.resize(values);
  if (!part.names.empty()) part.names.resize(static_cast<std::size_t>(most));
  if (!part.labels.empty()) part.labels.resize(static_cast<std::size_t>(most));
}

std::string checksum_of(const FlowSamples& part) {
  retrace::Crc64 checksum;
  checksum.add_values(std::span<const std::uint8_t>(part.pixels));
  checksum.add_values(std::span<const float>(part.rows));
  checksum.add_values(std::span<const std::int32_t>(part.labels));
  return checksum.digits();
}

/// Measures mean, deviation and kind of each column of the training rows.
void standardise(FlowData& data) {
  const auto columns = static_cast<std::size_t>(data.shape.c);
  const auto rows = static_cast<double>(data.train.count);
  for (std::size_t column = 0; column < columns; ++column) {
    double sum = 0, squares = 0;
    bool whole = true;
    for (std::size_t at = column; at < data.train.rows.size(); at += columns) {
      const double value = data.train.rows[at];
      sum += value;
      whole = whole && value == std::floor(value);
    }
    const double mean = sum / rows;
    for (std::size_t at = column; at < data.train.rows.size(); at += columns)
      squares += (data.train.rows[at] - mean) * (data.train.rows[at] - mean);
    const double deviation = std::sqrt(squares / rows);
    if (!(deviation > 1e-12 * (1 + std::abs(mean))))
      throw DataError(
          data.name + ": column '" + data.columns[column] + "' is always " + std::to_string(mean) +
          ", so it has no density: leave it out with --leave-out " + data.columns[column]);
    data.mean.push_back(whole ? mean + 0.5 : mean);  // after the noise
    data.deviation.push_back(deviation);
    data.integers.push_back(whole);
  }
  const auto whole = std::count(data.integers.begin(), data.integers.end(), true);
  if (whole > 0)
    data.notes.push_back(std::to_string(whole) + " of " + std::to_string(columns) +
                         " columns have whole numbers: noise in (0, 1) is added to them, because "
                         "they have no density");
}

FlowData table_data(const FlowDataOptions& options) {
  const NumberTable table = read_number_table(options.data, options.left_out);
  FlowData data{.name = table.name, .columns = table.columns};
  const std::size_t columns = table.columns.size();
  data.shape = {1, 1, 1, static_cast<Index>(columns)};
  if (columns < 2)
    throw DataError(table.name + ": has one column of numbers, but a coupling needs two or more");
  if (table.rows() < 2)
    throw DataError(table.name + ": has one row, but training and testing need one each");
  for (const std::string& column : table.left_out)
    data.notes.push_back("column '" + column + "' is left out");
  const auto rows = static_cast<Index>(table.rows());
  const Index tests =
      std::clamp<Index>(std::llround(options.validation * static_cast<double>(rows)), 1, rows - 1);
  // The tests do not depend on the seed of training.
  const std::vector<Index> order = retrace::shuffled(rows, 0, 0);
  const std::vector<float> values(table.values.begin(), table.values.end());
  const std::span<const Index> all(order);
  data.test = some_rows(values, columns, all.first(static_cast<std::size_t>(tests)));
  data.train = some_rows(values, columns, all.subspan(static_cast<std::size_t>(tests)));
  data.notes.push_back(std::to_string(tests) + " of " + std::to_string(rows) +
                       " rows, drawn at random, are for testing");
  return data;
}

FlowData moon_data() {
  FlowData data{.name = "two moons", .shape = {1, 1, 1, 2}, .columns = {"x", "y"}};
  data.train = {.count = moon_points, .rows = moons(moon_points, Random(0, substream("moons")))};
  data.test = {.count = moon_points / 10,
               .rows = moons(moon_points / 10, Random(0, substream("moons"), 1u << 20))};
  return data;
}

FlowSamples bytes_of(const Samples& samples) {
  FlowSamples part{.count = samples.size()};
  const Index each = samples.shape().size();
  std::vector<float> values(static_cast<std::size_t>(each));
  part.pixels.reserve(static_cast<std::size_t>(part.count * each));
  for (Index i = 0; i < part.count; ++i) {
    samples.read(i, values);
    for (const float value : values)
      part.pixels.push_back(static_cast<std::uint8_t>(std::clamp(value, 0.f, 255.f)));
    part.names.push_back(samples.name(i));
  }
  return part;
}

void read_labels(FlowSamples& part, const Samples& samples) {
  for (Index i = 0; i < part.count; ++i) part.labels.push_back(label(samples, i));
}

[[noreturn]] void refuse_classes(const std::string& name, const std::string& what) {
  throw DataError("--classes: " + name + " has " + what +
                  ": it is for images with a class each, such as a folder of images per class");
}

/// Returns the image files of a folder that has no folders of classes.
std::vector<PictureFile> pictures_in(const fs::path& folder) {
  std::vector<PictureFile> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string ending = entry.path().extension().string();
    std::transform(ending.begin(), ending.end(), ending.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (ending == ".png" || ending == ".jpg" || ending == ".jpeg")
      files.push_back({entry.path(), 0});
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

/// Reads a folder of images of one size.
std::shared_ptr<const Samples> plain_pictures(const std::vector<PictureFile>& files) {
  const ScannedPictures scanned = scan(files, 1);
  if (!scanned.bad.empty()) throw DataError(scanned.bad.front().message);
  const PictureInfo& first = scanned.infos.front();
  bool colour = false;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const PictureInfo& info = scanned.infos[i];
    colour = colour || info.channels == 3;
    if (info.height != first.height || info.width != first.width)
      throw DataError(files[i].path.string() + ": is an image of " + std::to_string(info.height) +
                      "x" + std::to_string(info.width) + ", but " + files[0].path.string() +
                      " has " + std::to_string(first.height) + "x" + std::to_string(first.width) +
                      ": all must have one size");
  }
  return picture_samples(files, {1, first.height, first.width, colour ? 3 : 1}, {});
}

fs::path known_place(const std::string& name) {
  std::vector<fs::path> places;
  if (name == "fashion-mnist") places = {"data/fashion-mnist", "/usr/share/datasets/fashion-mnist"};
  if (name == "cifar10") {
    if (const char* named = std::getenv("RETRACE_CIFAR10")) places.emplace_back(named);
    places.emplace_back("data/cifar-10-batches-bin");
  }
  for (const fs::path& place : places)
    if (fs::exists(place)) return place;
  if (!places.empty())
    throw DataError(
        "--data " + name + ": is not in " + places.back().string() + ": run " +
        (name == "cifar10" ? "examples/get_cifar10.sh" : "examples/get_fashion_mnist.sh"));
  return name;
}

FlowData image_data(const FlowDataOptions& options) {
  const fs::path path = known_place(options.data);
  FlowData data{.images = true, .bins = options.bins, .noise = options.noise};
  const std::vector<PictureFile> pictures =
      fs::is_directory(path) ? pictures_in(path) : std::vector<PictureFile>{};
  if (!pictures.empty()) {
    if (options.labels) refuse_classes(path.string(), "images without classes");
    if (pictures.size() < 2)
      throw DataError(path.string() + ": has " + std::to_string(pictures.size()) +
                      " images, but training and testing need one each");
    const auto all = plain_pictures(pictures);
    const auto tests = std::clamp<Index>(
        std::llround(options.validation * static_cast<double>(all->size())), 1, all->size() - 1);
    const std::vector<Index> order = retrace::shuffled(all->size(), 0, 0);
    data.shape = all->shape();
    data.name = path.filename().string();
    data.test = bytes_of(SomeSamples(all, {order.begin(), order.begin() + tests}));
    data.train = bytes_of(SomeSamples(all, {order.begin() + tests, order.end()}));
    return data;
  }
  DataSet set = read_data_set(
      path, {.train_samples = options.train_samples, .test_samples = options.test_samples});
  data.notes = set.notes;
  data.name = set.name;
  data.shape = set.train->shape();
  data.train = bytes_of(*set.train);
  data.test = bytes_of(*set.test);
  if (!options.labels) return data;
  if (set.labels_pixels()) refuse_classes(path.string(), "a class per pixel");
  data.classes = set.classes;
  read_labels(data.train, *set.train);
  read_labels(data.test, *set.test);
  return data;
}

}  // namespace

FlowData read_flow_data(const FlowDataOptions& options) {
  const fs::path path = options.data;
  const bool table = path.extension() == ".csv" || path.extension() == ".tsv";
  if (options.labels && (table || options.data == "moons"))
    refuse_classes(options.data, "rows of numbers");
  FlowData data = options.data == "moons" ? moon_data()
                  : table                 ? table_data(options)
                                          : image_data(options);
  const Index each = data.shape.size();
  shorten(data.train, options.train_samples, each);
  shorten(data.test, options.test_samples, each);
  if (!data.images) standardise(data);
  data.checksum = checksum_of(data.train);
  return data;
}

FlowSamples read_flow_samples(const std::string& path, const FlowData& like,
                              const FlowDataOptions& options) {
  FlowSamples part;
  if (like.images) {
    const fs::path folder = path;
    const auto pictures =
        fs::is_directory(folder) ? pictures_in(folder) : std::vector<PictureFile>{{folder, 0}};
    if (pictures.empty()) throw DataError(path + ": has no PNG or JPEG files");
    part = bytes_of(*plain_pictures(pictures));
    if (std::ssize(part.pixels) != part.count * like.shape.size())
      throw DataError(
          path + ": its images have " + std::to_string(std::ssize(part.pixels) / part.count) +
          " elements, but those of the network have " + std::to_string(like.shape.size()));
    return part;
  }
  const NumberTable table = read_number_table(path, options.left_out);
  if (table.columns != like.columns)
    throw DataError(path + ": has other columns than the training data");
  part.count = static_cast<Index>(table.rows());
  part.rows.assign(table.values.begin(), table.values.end());
  for (const std::size_t line : table.lines) part.names.push_back("line " + std::to_string(line));
  return part;
}

void FlowData::write(const FlowSamples& part, Index sample, FlowNoise draw,
                     std::span<float> values) const {
  constexpr double words = 0x1p32;
  const std::size_t each = values.size();
  const std::size_t first = static_cast<std::size_t>(sample) * each;
  const std::uint64_t blocks = (each + 3) / 4;
  Random random(draw.seed, substream("dequantisation", draw.epoch),
                static_cast<std::uint64_t>(sample) * blocks);
  for (std::size_t i = 0; i < each; ++i) {
    const double u = (random() + 0.5) / words;
    if (images) {
      const int q = part.pixels[first + i] * bins / 256;
      values[i] = static_cast<float>(noise ? (q + u) / bins - 0.5 : static_cast<double>(q) / bins);
    } else {
      const double value = part.rows[first + i] + (integers[i] ? u : 0);
      values[i] = static_cast<float>((value - mean[i]) / deviation[i]);
    }
  }
}

std::uint8_t FlowData::to_byte(float value) const {
  if (!(value == value)) return 0;
  // Without noise, q/bins is half a bin away from the next integers.
  const double q = std::floor(noise ? (static_cast<double>(value) + 0.5) * bins
                                    : static_cast<double>(value) * bins + 0.5);
  return static_cast<std::uint8_t>(std::lround(std::clamp(q, 0.0, bins - 1.0) * 255 / (bins - 1)));
}
