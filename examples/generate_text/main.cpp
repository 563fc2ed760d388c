// Continues a text by a model that train_text has saved.
#include <chrono>
#include <iostream>

#include "command_line.hpp"
#include "generate_options.hpp"
#include "options.hpp"
#include "retrace/train/checkpoint_folder.hpp"
#include "retrace/train/weights.hpp"

namespace {

/// Returns the checkpoint that the option names.
std::filesystem::path checkpoint_of(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path))
    throw std::invalid_argument("--model " + path.string() + " does not exist");
  if (!std::filesystem::is_directory(path)) return path;
  const auto best = path / "best.safetensors";
  if (!std::filesystem::exists(best))
    throw std::invalid_argument("--model " + path.string() + " has no best.safetensors");
  return best;
}

int generate_text(const GenerateOptions& options) {
  const auto path = checkpoint_of(options.model);
  const std::string recorded = retrace::Checkpoint(path).metadata("options");
  const ModelOptions model_options = recorded_model(path.string(), recorded);
  Device device = make_device(options.threads);
  Model model = build_model(device, model_options, Purpose::generate);
  retrace::load_weights(path, model.net.parameters());
  Generator generator(device, model_options, std::move(model), options.sampling.cache);
  std::cout << options.prompt << std::flush;
  const auto start = std::chrono::steady_clock::now();
  generate(generator, options.prompt, options.sampling,
           [](char byte) { std::cout << byte << std::flush; });
  const std::chrono::duration<double, std::milli> spent = std::chrono::steady_clock::now() - start;
  std::cout << std::endl;
  if (options.speed && options.sampling.bytes > 0)
    std::cerr << spent.count() / static_cast<double>(options.sampling.bytes) << " ms per byte\n";
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  return run_and_report("generate_text",
                        [&] { return generate_text(parse_generate_options(count, arguments)); });
}
