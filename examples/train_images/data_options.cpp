#include "data_options.hpp"

#include <array>
#include <thread>

#include "named.hpp"
#include "numbers.hpp"
#include "option_table.hpp"

using retrace::Index;

namespace {

constexpr std::int64_t largest_side = 1 << 14;

void add_format_options(OptionTable& table, Options& options, RawDataOptions& raw) {
  const bool cifar10 = options.program.for_cifar10;
  table.text("--data", options.data, "FOLDER",
             cifar10 ? "folder of data_batch_1.bin to data_batch_5.bin and test_batch.bin "
                       "(default: $RETRACE_CIFAR10, then data/cifar-10-batches-bin, then "
                       "synthetic images)"
                     : "folder of a folder of PNG or JPEG files for each class, of images and "
                       "masks, of CIFAR-10, CIFAR-100 or IDX files; or a .csv file");
  table.text("--format", raw.format, "NAME",
             "of the data: cifar10, cifar100, idx, csv, folder or masks (default: by what is "
             "there)");
  table.number("--validation", options.reading.validation,
               "share of the training samples to test on (default: 0.1 if there are no others)", 1);
  table.count("--train-images", options.reading.train_samples,
              "training images to use, the first ones (default 0: all)", 0);
  table.count("--eval-images", raw.test_samples, "test images to evaluate on (default 0: all)", 0);
  table.flag("--read-batches", options.reading.in_files,
             "read the images of each batch of CIFAR from their files, instead of all into "
             "memory");
  table.text("--label-column", options.reading.label_column, "NAME",
             "of a .csv file: its name, or its number from 1 (default: label, class, target or "
             "species, otherwise the last)");
  table.text("--row-shape", raw.row_shape, "HxWxC",
             "height, width and channels of the numbers in a row of a .csv file");
}

void add_picture_options(OptionTable& table, Options& options, RawDataOptions& raw) {
  table.text("--image-size", raw.image_size, "HxW",
             "height and width that PNG and JPEG images are fitted into (default: their own if "
             "all have one, otherwise by what is common)");
  table.text("--fit", raw.fit, "NAME",
             "how: pad (default) keeps proportions and puts the mirror image around, crop "
             "keeps proportions and cuts off, stretch does neither");
  table.text("--on-bad-image", raw.on_bad_image, "WHAT",
             "what to do about a file that cannot be read: stop (default), or skip it and say "
             "so");
  table.count("--decode-threads", options.decode_threads,
              "that make batches ahead of the step (default: half of all if images have to be "
              "decoded, otherwise 0)",
              0, 256);
  table.text("--cache", raw.cache, "BYTES",
             "bytes of decoded images to keep, if all fit into them (default 1G)");
}

void add_sample_options(OptionTable& table, Options& options, RawDataOptions& raw) {
  table.text(
      "--augment", raw.augment, "NAME",
      "what is changed at random in training images: none, flip, crop or crop-flip "
      "(default: " +
          std::string(options.program.for_cifar10
                          ? "crop-flip)"
                          : "crop-flip for colours, crop for grey, none for tables and for many "
                            "images, which are seen few times)"));
  table.count("--crop-padding", options.crop_padding,
              "pixels that a crop is moved by at most (default: an eighth of the shorter side)", 0,
              largest_side);
  table.text("--class-weights", options.class_weights, "X,X",
             "of the classes in the loss: balanced, which makes all samples of a rare class "
             "weigh as much as all of a frequent one, or a number for each (default: 1)");
}

/// Parses extents such as "32x48x3". A single number stands for the first two.
std::vector<Index> parse_extents(const std::string& option, const std::string& text,
                                 std::size_t count) {
  std::vector<Index> extents;
  const Check check = whole_number(1, largest_side);
  for (std::size_t first = 0; first <= text.size();) {
    const std::string each = text.substr(first, text.find('x', first) - first);
    first += each.size() + 1;
    if (!check(each).empty() || extents.size() == count)
      throw std::invalid_argument(option + " is '" + text + "', but must be like " +
                                  (count == 2 ? "32x48 or 32" : "28x28x1"));
    extents.push_back(std::stol(each));
  }
  if (count == 2 && extents.size() == 1) extents.push_back(extents[0]);
  if (extents.size() != count)
    throw std::invalid_argument(option + " is '" + text + "', but must have " +
                                std::to_string(count) + " numbers");
  return extents;
}

}  // namespace

void add_data_options(OptionTable& table, Options& options, RawDataOptions& raw) {
  add_format_options(table, options, raw);
  add_picture_options(table, options, raw);
  add_sample_options(table, options, raw);
}

std::string_view name(Augment augment) {
  constexpr std::string_view names[] = {"none", "flip", "crop", "crop-flip"};
  return names[static_cast<std::size_t>(augment)];
}

std::string_view name(Fit fit) {
  return fit == Fit::pad ? "pad" : fit == Fit::crop ? "crop" : "stretch";
}

void resolve_data(Options& options, const RawDataOptions& raw) {
  DataOptions& reading = options.reading;
  if (!raw.format.empty())
    reading.format = named("--format", raw.format, all_data_formats,
                           [](DataFormat format) { return std::string(name(format)); });
  reading.test_samples = raw.test_samples.value_or(0);
  if (!raw.image_size.empty()) {
    const auto extents = parse_extents("--image-size", raw.image_size, 2);
    reading.image_size = {extents[0], extents[1]};
  }
  if (!raw.row_shape.empty()) {
    const auto extents = parse_extents("--row-shape", raw.row_shape, 3);
    reading.row_shape = retrace::Shape{1, extents[0], extents[1], extents[2]};
  }
  if (!raw.fit.empty())
    reading.pictures.fit = named("--fit", raw.fit, std::array{Fit::pad, Fit::crop, Fit::stretch},
                                 [](Fit fit) { return std::string(name(fit)); });
  if (!raw.augment.empty())
    options.augment =
        named("--augment", raw.augment,
              std::array{Augment::none, Augment::flip, Augment::crop, Augment::crop_flip},
              [](Augment augment) { return std::string(name(augment)); });
  if (!raw.on_bad_image.empty())
    reading.skip_bad = named("--on-bad-image", raw.on_bad_image, std::array{false, true},
                             [](bool skip) { return skip ? "skip" : "stop"; });
  if (!raw.cache.empty()) reading.pictures.cache_bytes = parse_bytes("--cache", raw.cache);
  const auto all = static_cast<int>(std::thread::hardware_concurrency());
  reading.threads = options.threads > 0 ? options.threads : std::max(1, all);
  if (reading.validation >= 1)
    throw std::invalid_argument("--validation is 1, which leaves nothing to train on");
}
