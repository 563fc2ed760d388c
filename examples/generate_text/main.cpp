// Continues a text by a model that train_text has saved.
#include <chrono>
#include <iostream>

#include "command_line.hpp"
#include "generation.hpp"
#include "option_table.hpp"
#include "options.hpp"
#include "retrace/train/checkpoint_folder.hpp"
#include "retrace/train/weights.hpp"

namespace {

struct GenerateOptions {
  std::filesystem::path model;
  std::string prompt;
  SamplingOptions sampling;
  int threads = 0;
  bool no_cache = false, speed = false;
};

GenerateOptions parse(int count, char** arguments) {
  CLI::App app("Continues a text by a model that train_text has saved.", "generate_text");
  OptionTable table(app);
  GenerateOptions options;
  SamplingOptions& sampling = options.sampling;
  table.text("--model", options.model, "PATH",
             "checkpoint of train_text, or its --checkpoint-dir, of which the best is taken");
  table.text("--prompt", options.prompt, "TEXT", "text to continue; any bytes");
  table.count("--bytes", sampling.bytes, "to generate (default 200)", 0);
  table.number("--temperature", sampling.temperature,
               "divides the logits (default 0.8); 0 takes the most probable byte");
  table.count("--top-k", sampling.top_k, "draw from so many of the most probable bytes", 0);
  table.number("--top-p", sampling.top_p,
               "draw from the fewest bytes whose probabilities add up to this (default 1)", 1);
  table.count("--seed", sampling.seed, "of the draws (default 0)", 0);
  table.count("--threads", options.threads,
              "to compute with (default 0: as many as there are processors)", 0);
  table.flag("--no-cache", options.no_cache, "compute all earlier positions again for each byte");
  table.flag("--speed", options.speed, "print the time per byte to stderr");
  parse_command_line(app, count, arguments);
  if (options.model.empty())
    throw std::invalid_argument("--model is missing: name a checkpoint of train_text");
  sampling.cache = !options.no_cache;
  return options;
}

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
  return run_and_report("generate_text", [&] { return generate_text(parse(count, arguments)); });
}
