// Stores images without loss by a reversible network of integers.
//
//   compress_images train IMAGES MODEL        trains a model on images like those to be packed
//   compress_images pack MODEL IMAGES FILE    packs a file of images; --embed adds the model
//   compress_images unpack FILE IMAGES        restores it byte for byte
//   compress_images info FILE                 prints the sizes of a packed file
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <iostream>
#include <optional>

#include "codec.hpp"
#include "model_training.hpp"
#include "retrace/core/error.hpp"
#include "retrace/train/durable_file.hpp"
#include "text.hpp"

using namespace retrace;
namespace fs = std::filesystem;

namespace {

struct Options {
  fs::path images, model, packed;
  FlowSizes sizes{};
  ModelTraining training{};
  Index first = 0;
  int threads = 0;
  bool embed = false;
};

constexpr double bits_per_byte = 8;

void write_file(const fs::path& path, std::span<const std::uint8_t> bytes) {
  DurableFile file(path);
  file.write(std::as_bytes(bytes));
  file.commit();
}

void train(Options& options) {
  RawImages images = read_raw_images(options.images);
  if (options.first > 0 && options.first < images.count) {
    images.count = options.first;
    images.pixels.resize(static_cast<std::size_t>(images.count * images.layout.image_bytes()));
  }
  options.sizes.height = images.layout.height;
  options.sizes.width = images.layout.width;
  options.sizes.channels = images.layout.channels;
  Cpu device(options.threads);
  IntegerFlow flow(device, options.sizes, options.training.seed);
  std::cout << images.count << " images, " << flow.parameters().count() << " parameters, "
            << device.threads() << (device.threads() == 1 ? " thread\n" : " threads\n");
  options.training.report = [](Index step, double bits) {
    std::cout << "step " << step << "  " << fixed(bits, 3) << " bits per dimension\n" << std::flush;
  };
  train_model(flow, images, options.training);
  write_model(options.model, flow);
  std::cout << "wrote " << options.model.string() << '\n';
}

void print_sizes(const PackedFile& packed, std::uint64_t file_bytes) {
  const double dimensions =
      static_cast<double>(packed.images) * static_cast<double>(packed.layout.image_bytes());
  std::uint64_t words = 0;
  for (const auto& block : packed.blocks) words += block.size();
  std::cout << packed.images << " images of " << packed.layout.height << "x" << packed.layout.width
            << "x" << packed.layout.channels << " in " << packed.blocks.size() << " blocks, "
            << std::string(packed.machine.begin(), packed.machine.end()) << '\n'
            << "  pixels  " << 4 * words << " bytes, "
            << fixed(bits_per_byte * 4 * static_cast<double>(words) / dimensions, 3)
            << " bits per dimension\n"
            << "  others  " << packed.others.size() << " bytes\n"
            << "  model   " << packed.model.size() << " bytes\n"
            << "  file    " << file_bytes << " bytes, "
            << fixed(bits_per_byte * static_cast<double>(file_bytes) / dimensions, 3)
            << " bits per dimension\n";
}

void pack_file(const Options& options) {
  Cpu device(options.threads);
  Model model = read_model(options.model, device);
  PackedFile packed = pack(model, read_raw_images(options.images));
  if (options.embed) packed.model = read_file(options.model, std::uintmax_t{1} << 32);
  print_sizes(packed, write_packed(options.packed, packed));
}

/// A temporary file with the model of a packed file, or none if it has none.
class EmbeddedModel {
 public:
  explicit EmbeddedModel(const PackedFile& packed) {
    if (packed.model.empty()) return;
    path_ = fs::temp_directory_path() / ("compress_images_" + std::to_string(getpid()) + ".model");
    write_file(*path_, packed.model);
  }
  ~EmbeddedModel() {
    std::error_code ignored;
    if (path_) fs::remove(*path_, ignored);
  }
  EmbeddedModel(const EmbeddedModel&) = delete;
  EmbeddedModel& operator=(const EmbeddedModel&) = delete;
  const std::optional<fs::path>& path() const { return path_; }

 private:
  std::optional<fs::path> path_;
};

void unpack_file(const Options& options) {
  const PackedFile packed = read_packed(options.packed);
  const EmbeddedModel embedded(packed);
  if (options.model.empty() && !embedded.path())
    throw DataError(options.packed.string() + ": holds no model; name it with --model");
  Cpu device(options.threads);
  Model model = read_model(options.model.empty() ? *embedded.path() : options.model, device);
  const auto bytes = unpack(model, packed, options.packed.string());
  write_file(options.images, bytes);
  std::cout << "restored " << bytes.size() << " bytes to " << options.images.string() << '\n';
}

void add_commands(CLI::App& app, Options& options) {
  const auto threads = [&](CLI::App* command) {
    command->add_option("--threads", options.threads, "threads; 0: one for each processor")
        ->check(CLI::Range(0, 1024));
  };
  auto* train_command = app.add_subcommand("train", "Trains a model on images");
  train_command->add_option("images", options.images, "IDX file (also .gz) or CIFAR .bin file")
      ->required();
  train_command->add_option("model", options.model, "the file to write")->required();
  train_command->add_option("--steps", options.training.steps, "training steps")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  train_command->add_option("--batch", options.training.batch, "images in a step")
      ->check(CLI::Range(2, 65536))
      ->capture_default_str();
  train_command->add_option("--rate", options.training.rate, "highest learning rate")
      ->check(CLI::Range(1e-9, 1.0))
      ->capture_default_str();
  train_command->add_option("--first", options.first, "trains on the first N images; 0: all")
      ->check(CLI::NonNegativeNumber);
  train_command->add_option("--levels", options.sizes.levels, "levels of the flow")
      ->check(CLI::Range(1, 6))
      ->capture_default_str();
  train_command->add_option("--couplings", options.sizes.couplings, "couplings of a level")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  train_command->add_option("--features", options.sizes.features, "channels within a branch")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  train_command->add_option("--seed", options.training.seed, "of the weights and the order");
  threads(train_command);
  train_command->callback([&] { train(options); });

  auto* pack_command = app.add_subcommand("pack", "Packs a file of images");
  pack_command->add_option("model", options.model, "a file of `train`")->required();
  pack_command->add_option("images", options.images, "IDX file (also .gz) or CIFAR .bin file")
      ->required();
  pack_command->add_option("file", options.packed, "the file to write")->required();
  pack_command->add_flag("--embed", options.embed, "puts the model into the file");
  threads(pack_command);
  pack_command->callback([&] { pack_file(options); });

  auto* unpack_command = app.add_subcommand("unpack", "Restores the file of images");
  unpack_command->add_option("file", options.packed, "a file of `pack`")->required();
  unpack_command->add_option("images", options.images, "the file to write")->required();
  unpack_command->add_option("--model", options.model, "the model, unless the file holds it");
  threads(unpack_command);
  unpack_command->callback([&] { unpack_file(options); });

  auto* info_command = app.add_subcommand("info", "Prints the sizes of a packed file");
  info_command->add_option("file", options.packed, "a file of `pack`")->required();
  info_command->callback(
      [&] { print_sizes(read_packed(options.packed), bytes_of_file(options.packed)); });
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Stores images without loss by a reversible network of integers.");
  app.require_subcommand(1);
  app.footer(
      "`pack --embed` puts the model into the file; `unpack --model MODEL` names one that is not.");
  Options options;
  add_commands(app, options);
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "compress_images: " << error.what() << '\n';
    return 2;
  }
}
