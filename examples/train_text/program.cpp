#include "program.hpp"

#include <iostream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "generation.hpp"
#include "memory.hpp"
#include "text.hpp"
#include "trainer.hpp"
#include "training_run.hpp"

namespace {

std::string describe_model(const Options& options) {
  const ModelOptions& model = options.model;
  return std::to_string(model.layers) + (model.reversible ? " reversible" : " ordinary") +
         " blocks of " + std::to_string(model.channels) + " channels, " +
         std::string(name(model.attention)) + " attention, mode " + mode_name(options);
}

/// Describes the modes, which change the order of additions.
std::string modes(const Options& options) {
  std::string text = mode_name(options);
  if (options.plan)
    for (const retrace::PlannedLayer& layer : options.plan->layers)
      text += ' ' + retrace::mode_name(layer);
  return options.chunk > 0 ? text + " in chunks of " + std::to_string(options.chunk) : text;
}

/// Returns what starts each line of the log.
nlohmann::ordered_json description(const Options& options) {
  return {{"arch", "transformer"},
          {"mode", mode_name(options)},
          {"attention", name(options.model.attention)},
          {"data", options.data.filename().string()},
          {"batch", options.batch},
          {"length", options.model.length},
          {"seed", options.seed}};
}

std::string start_text(const Options& options, const TextSplit& split, const Device& device,
                       retrace::Index parameters, const Ranks& ranks) {
  return describe_model(options) + ": " + fixed(static_cast<double>(parameters) / 1e6, 2) +
         " M parameters, batches of " + std::to_string(options.batch) + " x " +
         std::to_string(options.model.length) + " bytes, " +
         std::to_string(split.training_bytes()) + " bytes to train on, " +
         std::to_string(split.held_out_bytes()) + " held out, " + describe(device) + ranks.note() +
         '\n';
}

void print_summary(const TrainingSummary& summary) {
  std::cout << fixed(summary.bytes_per_second, 0) << " bytes/s, " << fixed(summary.cpu_seconds, 1)
            << " s of processor time in steps; peak memory " << megabytes(summary.peak.total())
            << ':';
  for (retrace::Use use : retrace::all_uses)
    std::cout << ' ' << spaced(name(use)) << ' ' << megabytes(summary.peak[use])
              << (use == retrace::all_uses.back() ? "\n" : ",");
}

/// The most bytes to compress for comparison.
constexpr std::uint64_t most_compressed = 64 << 20;

void print_result(const TextSplit& split, double nats) {
  std::cout << "held-out bytes: " << fixed(nats, 4) << " nats, "
            << fixed(nats / std::numbers::ln2, 4) << " bits per byte";
  std::vector<std::uint8_t> bytes(
      static_cast<std::size_t>(std::min(most_compressed, split.held_out_bytes())));
  split.corpus().read(split.cut(), bytes);
  if (const double xz = xz_bits_per_byte(bytes); xz > 0)
    std::cout << "; xz -9e needs " << fixed(xz, 4)
              << (bytes.size() < split.held_out_bytes() ? " for the first 64 MiB" : "");
  std::cout << std::endl;
}

void print_sample(const Options& options, Device& device, Model& model) {
  if (options.sample == 0) return;
  std::cout << "sample:\n";
  Generator generator(device, options.model, generating_model(device, options.model, model));
  generate(generator, "\n", {.bytes = options.sample, .seed = options.seed},
           [](char byte) { std::cout << byte << std::flush; });
  std::cout << std::endl;
}

/// Resumes training if requested, and trains until the last step or a stop.
void train(const Options& options, const Corpus& corpus, const TextSplit& split, const Stop& stop,
           Ranks& ranks) try {
  Device device = make_device(options.threads);
  device.memory().set_limit(options.memory_limit);
  TextTrainer trainer(device, options, split, ranks);
  TrainingRun run(options,
                  {.options = recorded_options(options),
                   .data = corpus.checksum(),
                   .mode = modes(options),
                   .samples = "bytes"},
                  stop, trainer, &ranks);
  const std::string resumed = run.resume();
  Logs logs;
  const TrainingSummary summary =
      run.train(logs, description(options),
                start_text(options, split, device, trainer.parameter_count(), ranks) + resumed);
  print_summary(summary);
  if (!ranks.first()) return;
  if (!summary.finished) return print_stop(options, stop);
  print_result(split, *summary.nats);
  print_sample(options, device, trainer.model());
} catch (const retrace::OutOfMemory& error) {
  throw std::runtime_error(out_of_memory_report(error, options));
}

}  // namespace

int train_text(Options options, Ranks& ranks) {
  ranks.join();
  ranks.leave_files_to_first(options);
  options.threads = ranks.threads(options.threads);
  const Stop stop(options.max_minutes);
  const Corpus corpus(options.data);
  const TextSplit split(corpus, options.held_out, static_cast<std::size_t>(options.model.length));
  ranks.meet();
  ranks.require_same("training data", corpus.checksum());
  ranks.require_same("options", recorded_options(options));
  if (options.memory) ranks.require_alone("--memory");
  train(planned(std::cout, std::move(options)), corpus, split, stop, ranks);
  return stop.status();
}
