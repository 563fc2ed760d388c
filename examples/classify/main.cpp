// Classifies images with a trained network: a checkpoint of train_images or train_cifar10, or any
// safetensors file with the same names (docs/interop.md).
//
//   classify WEIGHTS DATA                 a data set as train_images reads it: its test samples
//   classify WEIGHTS IMAGE.png            one PNG, JPEG or PPM image
//   classify WEIGHTS IMAGES.bin           the first 10 images of a CIFAR-10 file
//   ... --first 100                       the first 100, each on a line
//   ... --confusion M.svg --worst W.svg   pictures of the mistakes
#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "command_line.hpp"
#include "named.hpp"
#include "option_table.hpp"
#include "report.hpp"
#include "text.hpp"

namespace {

struct Options {
  std::filesystem::path weights, json, confusion, worst, masks;
  InputOptions input;
  std::string format;
  retrace::Index first = 0;
  std::size_t worst_count = 24;
  int threads = 0;
  bool logits = false;
};

Options parse(int count, const char* const* arguments) {
  CLI::App app("Classifies images with a trained network.", "classify");
  OptionTable table(app);
  Options options;
  app.add_option("weights", options.weights, "checkpoint or other safetensors file")->required();
  app.add_option("data", options.input.path,
                 "data set as train_images reads it, a PNG, JPEG or PPM image, or a CIFAR-10 file")
      ->required();
  table.count("--first", options.first,
              "images to classify, each on a line (default: all of a data set, 10 of a file)", 1);
  table.choice("--part", options.input.part, {"test", "train"},
               "of a data set: test (default), the samples that were not trained on, or train");
  table.text("--format", options.format, "NAME",
             "of a data set: cifar10, cifar100, idx, csv, folder or masks");
  table.number("--validation", options.input.validation,
               "share of the training samples to test on (default: that of the training)", 1);
  table.text("--label-column", options.input.label_column, "NAME", "of a .csv file");
  table.flag("--logits", options.logits, "print the logits of all classes, with 9 digits");
  table.text("--json", options.json, "FILE", "file to write all results to");
  table.text("--confusion", options.confusion, "FILE",
             "SVG file to draw the confusion matrix into");
  table.text("--worst", options.worst, "FILE",
             "SVG file to draw the images with the highest losses into");
  table.count("--worst-count", options.worst_count, "images in it (default 24)", 1, 1000);
  table.text("--masks", options.masks, "FOLDER",
             "folder to write predicted masks into, if the network labels pixels");
  table.count("--threads", options.threads, "to compute with (default 0: one per processor)", 0);
  parse_command_line(app, count, arguments);
  if (!options.format.empty())
    options.input.format = named("--format", options.format, all_data_formats,
                                 [](DataFormat format) { return std::string(name(format)); });
  return options;
}

/// Writes a file with `print`, which is given a stream.
template <class Print>
void write_file(const std::filesystem::path& path, Print print) {
  if (path.empty()) return;
  std::ofstream file(path);
  print(file);
  if (!file.flush()) throw std::runtime_error(path.string() + " cannot be written");
}

void require_possible(const Options& options, const TrainedNet& trained, const Inputs& inputs) {
  if (!inputs.labelled && (!options.confusion.empty() || !options.worst.empty()))
    throw std::invalid_argument(options.input.path.string() +
                                " has no labels, which --confusion and --worst need");
  if (!trained.labels_pixels && !options.masks.empty())
    throw std::invalid_argument("--masks is for a network that labels pixels, but " +
                                options.weights.string() + " labels images");
  if (trained.sample.pixels() == 1 && !options.worst.empty())
    throw std::invalid_argument("--worst draws images, but the samples are rows of a table");
}

int run(const Options& options) {
  Device device = make_device(options.threads);
  retrace::ThreadTeam::shared(options.threads);
  TrainedNet trained = load_trained_net(device, options.weights);
  const Inputs inputs = read_inputs(options.input, trained);
  require_possible(options, trained, inputs);
  const retrace::Index all = inputs.samples->size(),
                       usual = inputs.is_file ? std::min<retrace::Index>(10, all) : all,
                       count = options.first > 0 ? std::min(options.first, all) : usual;
  const Predictions results = predict(device, trained, inputs, count, options.logits);
  if (inputs.is_file || options.first > 0 || options.logits)
    print_images(std::cout, results, trained, inputs);
  if (inputs.is_file && inputs.labelled) {
    const auto right = static_cast<double>(results.each.size()) * results.matrix.accuracy();
    std::cout << std::llround(right) << " of " << results.each.size() << " as they are labelled\n";
  } else if (inputs.labelled) {
    std::cout << percent(results.matrix.accuracy())
              << (trained.labels_pixels ? " of the pixels of " : " of ") << results.each.size()
              << " images, loss " << fixed(results.loss(), 3);
    if (trained.labels_pixels)
      std::cout << ", mean IoU " << percent(results.matrix.mean_intersection_over_union());
    std::cout << '\n';
    print(std::cout, results.matrix, trained.classes);
  }
  write_file(options.json, [&](std::ostream& out) { print_json(out, results, trained, inputs); });
  write_file(options.confusion,
             [&](std::ostream& out) { draw_matrix(out, results.matrix, trained.classes); });
  write_file(options.worst, [&](std::ostream& out) {
    draw_worst(out, device, results, trained, inputs, options.worst_count);
  });
  if (!options.masks.empty()) save_masks(options.masks, device, results, trained, inputs);
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return run_and_report("classify", [&] { return run(parse(count, arguments)); });
}
