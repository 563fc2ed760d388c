#include "data_set.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "cifar.hpp"
#include "csv.hpp"
#include "data_files.hpp"
#include "idx.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/augmentation.hpp"
#include "survey.hpp"

using retrace::DataError, retrace::Index, retrace::Shape;
namespace fs = std::filesystem;

namespace {

using SharedSamples = std::shared_ptr<const Samples>;

constexpr double usual_validation = 0.1;
constexpr Index largest_kept_side = 256;   ///< for images of equal size, which are not scaled
constexpr Index largest_usual_side = 128;  ///< for images that are scaled to one size

/// A data set as found in its files.
struct Parts {
  std::string name;
  SharedSamples train, test;  ///< test may be null
  std::vector<std::string> classes{}, notes{};
};

std::string size_text(Index height, Index width) {
  return std::to_string(height) + "x" + std::to_string(width);
}

std::string counted(std::size_t count, const std::string& what) {
  return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s");
}

/// Returns the name of a folder, independent of the path to it.
std::string name_of(const fs::path& path) {
  std::error_code error;
  const fs::path whole = fs::canonical(path, error);
  return error ? path.string() : whole.filename().string();
}

Parts cifar_parts(const fs::path& path, bool hundred, const DataOptions& options) {
  const CifarFiles files = hundred ? find_cifar100(path) : find_cifar10(path);
  const CifarLayout layout = hundred ? cifar100 : cifar10;
  Parts parts{hundred ? "CIFAR-100" : "CIFAR-10", read_cifar(files.train, layout, options.in_files),
              nullptr};
  if (!files.test.empty()) parts.test = read_cifar(files.test, layout, options.in_files);
  parts.classes = lines_of(path, {hundred ? "fine_label_names.txt" : "batches.meta.txt"});
  if (parts.classes.empty() && !hundred)
    parts.classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                     "dog",      "frog",       "horse", "ship", "truck"};
  parts.classes.resize(static_cast<std::size_t>(layout.classes));
  for (std::size_t i = 0; i < parts.classes.size(); ++i)
    if (parts.classes[i].empty()) parts.classes[i] = std::to_string(i);
  return parts;
}

Parts idx_parts(const fs::path& path) {
  const auto [train, test] = find_idx(path);
  Parts parts{name_of(path), read_idx(train.images, train.labels), nullptr};
  if (!test.images.empty()) parts.test = read_idx(test.images, test.labels);
  if (parts.test && parts.test->shape() != parts.train->shape())
    throw DataError(test.images.string() + ": its images are " + to_string(parts.test->shape()) +
                    ", but those to train on are " + to_string(parts.train->shape()));
  parts.classes = lines_of(path, {"classes.txt"});
  return parts;
}

/// Returns indices in a fixed random order, so that the first samples include all classes.
std::vector<Index> mixed(Index count) { return retrace::shuffled(count, 0, 0); }

SharedSamples mixed(const SharedSamples& samples) {
  return std::make_shared<SomeSamples>(samples, mixed(samples->size()));
}

Parts csv_parts(const fs::path& path, const DataOptions& options) {
  const auto [train_path, test_path] = find_csv(path);
  CsvTable train = read_csv(train_path, options.label_column);
  Parts parts{name_of(path), nullptr, nullptr, classes_of(train)};
  const Shape shape = options.row_shape.value_or(usual_shape(train));
  const std::string column = train.columns.empty() ? std::to_string(train.label_column + 1)
                                                   : train.columns[train.label_column];
  parts.notes.push_back(
      "classes are in column " + column + ", the " + counted(train.features, "other") + " become " +
      size_text(shape.h, shape.w) + (shape.pixels() == 1 ? " pixel with " : " pixels with ") +
      counted(static_cast<std::size_t>(shape.c), "channel"));
  parts.train = mixed(table_samples(std::move(train), parts.classes, shape));
  if (!test_path.empty())
    parts.test =
        mixed(table_samples(read_csv(test_path, options.label_column), parts.classes, shape));
  return parts;
}

/// Reports bad files that are skipped, or throws.
void handle_bad(const std::vector<BadSample>& bad, Index all, bool skip,
                std::vector<std::string>& notes) {
  constexpr std::size_t most_named = 5;
  if (bad.empty()) return;
  if (!skip)
    throw DataError(bad.front().message +
                    (bad.size() == 1 ? ""
                                     : " (" + std::to_string(bad.size()) + " of " +
                                           std::to_string(all) + " cannot be used)") +
                    "; --on-bad-image skip leaves out what cannot be read");
  if (std::ssize(bad) == all) throw DataError(bad.front().message + ", and no other can be read");
  notes.push_back("skipped " + std::to_string(bad.size()) + " of " + std::to_string(all) +
                  " that cannot be read:");
  for (std::size_t i = 0; i < std::min(bad.size(), most_named); ++i)
    notes.push_back("  " + bad[i].message);
  if (bad.size() > most_named)
    notes.push_back("  and " + std::to_string(bad.size() - most_named) + " more");
}

/// Returns the indices from 0 to count - 1 except those of bad samples.
std::vector<Index> good_indices(Index count, const std::vector<BadSample>& bad) {
  std::vector<Index> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), Index{0});
  for (auto each = bad.rbegin(); each != bad.rend(); ++each)
    indices.erase(indices.begin() + each->sample);
  return indices;
}

/// Statistics of the sizes of the images of a data set.
class PictureSizes {
 public:
  void add(const PictureInfo& info) {
    heights_.push_back(info.height);
    widths_.push_back(info.width);
    longer_.push_back(std::max(info.height, info.width));
    channels_ = std::max(channels_, info.channels);
    if (!info.conversion.empty()) ++conversions_[info.conversion];
  }

  /// Returns the shape that all images are scaled to, and adds notes on it.
  Shape shape(const DataOptions& options, std::vector<std::string>& notes) {
    for (const auto& [what, count] : conversions_)
      notes.push_back(counted(count, "image") + ": " + what);
    const auto [low, high] = std::minmax_element(heights_.begin(), heights_.end());
    const auto [narrow, wide] = std::minmax_element(widths_.begin(), widths_.end());
    const bool one_size = *low == *high && *narrow == *wide;
    const auto [height, width] = options.image_size.value_or(usual_size(one_size, *low, *narrow));
    if (!one_size || height != *low || width != *narrow)
      notes.push_back("images of " +
                      (one_size ? size_text(*low, *narrow)
                                : size_text(*low, *narrow) + " to " + size_text(*high, *wide)) +
                      " are fitted into " + size_text(height, width) +
                      " (--image-size and --fit change that)");
    return {1, height, width, options.channels > 0 ? options.channels : channels_};
  }

 private:
  std::pair<Index, Index> usual_size(bool one_size, Index height, Index width) {
    const auto multiple_of_8 = [](double side) {
      return std::max<Index>(8, 8 * std::llround(side / 8));
    };
    if (!one_size) {
      const auto middle = longer_.begin() + std::ssize(longer_) / 2;
      std::nth_element(longer_.begin(), middle, longer_.end());
      const Index side = multiple_of_8(static_cast<double>(std::min(*middle, largest_usual_side)));
      return {side, side};
    }
    const Index longer = std::max(height, width);
    if (longer <= largest_kept_side) return {height, width};
    const double scale = static_cast<double>(largest_usual_side) / static_cast<double>(longer);
    return {multiple_of_8(scale * static_cast<double>(height)),
            multiple_of_8(scale * static_cast<double>(width))};
  }

  std::vector<Index> heights_, widths_, longer_;
  Index channels_ = 1;
  std::map<std::string, std::size_t> conversions_;
};

/// Returns the files that can be scanned, in mixed order.
std::vector<PictureFile> usable(std::vector<PictureFile> files, const DataOptions& options,
                                PictureSizes& sizes, std::vector<std::string>& notes) {
  std::vector<PictureFile> in_order;
  for (const Index i : mixed(std::ssize(files)))
    in_order.push_back(std::move(files[static_cast<std::size_t>(i)]));
  const ScannedPictures scanned = scan(in_order, options.threads);
  handle_bad(scanned.bad, std::ssize(in_order), options.skip_bad, notes);
  std::vector<PictureFile> result;
  for (const Index i : good_indices(std::ssize(in_order), scanned.bad)) {
    sizes.add(scanned.infos[static_cast<std::size_t>(i)]);
    result.push_back(std::move(in_order[static_cast<std::size_t>(i)]));
  }
  return result;
}

Parts picture_parts(const fs::path& path, bool masks, const DataOptions& options) {
  FoundPictures found = masks ? find_masks(path) : find_classes(path);
  Parts parts{name_of(path), nullptr, nullptr, found.classes, found.notes};
  PictureSizes sizes;
  std::vector<PictureFile> train = usable(std::move(found.train), options, sizes, parts.notes);
  std::vector<PictureFile> test;
  if (!found.test.empty()) test = usable(std::move(found.test), options, sizes, parts.notes);
  const Shape shape = sizes.shape(options, parts.notes);
  PictureOptions pictures = options.pictures;
  if (masks) pictures.masks = mask_values(train);
  if (pictures.masks == MaskValues::black_white)
    parts.notes.push_back("masks are black and white: 0 is class 0 and 255 is class 1");
  parts.train = picture_samples(std::move(train), shape, pictures);
  if (!test.empty()) parts.test = picture_samples(std::move(test), shape, pictures);
  if (masks) parts.classes = lines_of(path, {"classes.txt"});
  return parts;
}

Parts read_parts(const fs::path& path, DataFormat format, const DataOptions& options) {
  switch (format) {
    case DataFormat::cifar10:
    case DataFormat::cifar100:
      return cifar_parts(path, format == DataFormat::cifar100, options);
    case DataFormat::idx:
      return idx_parts(path);
    case DataFormat::csv:
      return csv_parts(path, options);
    case DataFormat::folder:
    case DataFormat::masks:
      return picture_parts(path, format == DataFormat::masks, options);
  }
  throw std::invalid_argument("read_data_set: unknown format");
}

/// Moves a share of each class to the test samples, spread evenly over the samples.
void split(SharedSamples& train, SharedSamples& test, double share) {
  const SharedSamples all = train;
  std::vector<Index> kept, taken;
  std::map<std::int32_t, Index> seen;
  for (Index i = 0; i < all->size(); ++i) {
    const std::int32_t its_class = all->labels_each() == 1 ? label(*all, i) : no_class;
    const auto before = static_cast<double>(seen[its_class]++);
    const bool takes = std::floor((before + 1) * share) > std::floor(before * share);
    (takes ? taken : kept).push_back(i);
  }
  if (taken.empty() && kept.size() > 1) {  // no class has enough samples
    taken.push_back(kept.back());
    kept.pop_back();
  }
  train = std::make_shared<SomeSamples>(all, std::move(kept));
  test = std::make_shared<SomeSamples>(all, std::move(taken));
}

SharedSamples first_of(const SharedSamples& samples, Index count) {
  if (count == 0 || count >= samples->size()) return samples;
  std::vector<Index> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), Index{0});
  return std::make_shared<SomeSamples>(samples, std::move(indices));
}

/// Surveys all samples and drops those that cannot be read.
Survey checked(SharedSamples& samples, const DataOptions& options,
               std::vector<std::string>& notes) {
  Survey result = survey(*samples, options.threads);
  handle_bad(result.bad, samples->size(), options.skip_bad, notes);
  if (!result.bad.empty())
    samples = std::make_shared<SomeSamples>(samples, good_indices(samples->size(), result.bad));
  return result;
}

void name_classes(DataSet& set, std::size_t labels) {
  if (set.classes.empty())
    for (std::size_t i = 0; i < labels; ++i) set.classes.push_back(std::to_string(i));
  if (labels > set.classes.size())
    throw DataError(set.name + ": has label " + std::to_string(labels - 1) + ", but " +
                    counted(set.classes.size(), "name") + " of classes");
  if (set.classes.size() < 2)
    throw DataError(set.name + ": has " + counted(set.classes.size(), "class") +
                    (set.classes.size() == 1 ? "" : "es") + ", but at least 2 are needed");
  set.class_counts.resize(set.classes.size());
  for (std::size_t i = 0; i < set.classes.size(); ++i)
    if (set.class_counts[i] == 0)
      set.notes.push_back("no training sample is of class " + set.classes[i]);
}

}  // namespace

std::string_view name(DataFormat format) {
  constexpr std::string_view names[] = {"cifar10", "cifar100", "idx", "csv", "folder", "masks"};
  return names[static_cast<std::size_t>(format)];
}

DataSet read_data_set(const fs::path& path, const DataOptions& options) {
  if (!fs::exists(path)) throw DataError(path.string() + ": there is no such file or folder");
  const DataFormat format = options.format ? *options.format : detect_format(path);
  Parts parts = read_parts(path, format, options);
  DataSet set = make_data_set(parts.name, parts.train, parts.test, parts.classes, options);
  set.notes.insert(set.notes.begin(), parts.notes.begin(), parts.notes.end());
  return set;
}

DataSet make_data_set(std::string name, SharedSamples train, SharedSamples test,
                      std::vector<std::string> classes, const DataOptions& options) {
  DataSet set{.name = std::move(name),
              .train = std::move(train),
              .test = std::move(test),
              .classes = std::move(classes)};
  if (!set.test || options.validation > 0) {
    split(set.train, set.test, options.validation > 0 ? options.validation : usual_validation);
    set.notes.push_back("of " + std::to_string(set.train->size() + set.test->size()) +
                        " training samples, " + std::to_string(set.test->size()) +
                        " are kept to test on");
  }
  set.train = first_of(set.train, options.train_samples);
  set.test = first_of(set.test, options.test_samples);
  const Survey of_train = checked(set.train, options, set.notes),
               of_test = checked(set.test, options, set.notes);
  if (set.train->size() == 0 || set.test->size() == 0)
    throw DataError(set.name + ": has too few samples to train and test on");
  set.normalisation = of_train.normalisation;
  set.class_counts = of_train.class_counts;
  set.checksum = of_train.checksum + of_test.checksum;
  name_classes(set, std::max(of_train.class_counts.size(), of_test.class_counts.size()));
  return set;
}

namespace {

class SetSamples : public Samples {
 public:
  explicit SetSamples(retrace::ImageSet set) : set_(std::move(set)) {}

  Index size() const override { return set_.size(); }
  Shape shape() const override { return {1, set_.height, set_.width, set_.channels}; }
  void read(Index sample, std::span<float> values) const override {
    const auto image = set_.image(sample);
    std::copy(image.begin(), image.end(), values.begin());
  }
  void read_labels(Index sample, std::span<std::int32_t> labels) const override {
    labels[0] = set_.labels[static_cast<std::size_t>(sample)];
  }
  std::string name(Index sample) const override {
    return set_.name + ": image " + std::to_string(sample);
  }

 private:
  retrace::ImageSet set_;
};

}  // namespace

std::shared_ptr<const Samples> samples_of(retrace::ImageSet set) {
  return std::make_shared<SetSamples>(std::move(set));
}
