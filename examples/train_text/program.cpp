#include "program.hpp"

#include <iostream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "checkpoints.hpp"
#include "generation.hpp"
#include "logs.hpp"
#include "memory.hpp"
#include "progress.hpp"
#include "stop.hpp"
#include "text.hpp"
#include "trainer.hpp"

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

void print_start(const Options& options, const TextSplit& split, const Device& device,
                 retrace::Index parameters) {
  std::cout << describe_model(options) << ": " << fixed(static_cast<double>(parameters) / 1e6, 2)
            << " M parameters, batches of " << options.batch << " x " << options.model.length
            << " bytes, " << split.training_bytes() << " bytes to train on, "
            << split.held_out_bytes() << " held out, " << describe(device) << std::endl;
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

void print_stop(const Options& options, const Stop& stop) {
  std::cout << "stopped by " << stop.reason() << " before the last step; "
            << (options.checkpoint_dir.empty() ? "nothing is saved without --checkpoint-dir"
                                               : "the same command with --resume continues from " +
                                                     options.checkpoint_dir.string())
            << '\n';
}

/// Resumes training if requested, and trains until the last step or a stop.
void train(const Options& options, const Corpus& corpus, const TextSplit& split,
           const Stop& stop) try {
  Device device = make_device(options.threads);
  device.memory().set_limit(options.memory_limit);
  TextTrainer trainer(device, options, split);
  std::optional<Checkpoints<TextTrainer>> checkpoints;
  if (!options.checkpoint_dir.empty())
    checkpoints.emplace(options,
                        RunIdentity{.options = recorded_options(options),
                                    .data = corpus.checksum(),
                                    .mode = modes(options),
                                    .samples = "bytes"},
                        trainer);
  const std::string resumed = checkpoints ? checkpoints->resume() : "";
  Logs logs;
  logs.open(options, trainer.state().step);
  print_start(options, split, device, trainer.parameter_count());
  std::cout << resumed << std::flush;
  const nlohmann::ordered_json start_of_line = description(options);
  TrainingSummary summary;
  {
    Progress progress;
    summary = trainer.train([&](const StepReport& report) {
      const bool stopping = stop.wanted();
      progress(report);
      logs.write(start_of_line, report);
      if (checkpoints && checkpoints->due(report, stopping)) {
        logs.sync();
        checkpoints->save(report);
      }
      return !stopping;
    });
  }
  print_summary(summary);
  if (!summary.finished) return print_stop(options, stop);
  print_result(split, *summary.nats);
  print_sample(options, device, trainer.model());
} catch (const retrace::OutOfMemory& error) {
  throw std::runtime_error(out_of_memory_report(error, options));
}

}  // namespace

int train_text(Options options) {
  const Stop stop(options.max_minutes);
  const Corpus corpus(options.data);
  const TextSplit split(corpus, options.held_out, static_cast<std::size_t>(options.model.length));
  train(planned(std::cout, std::move(options)), corpus, split, stop);
  return stop.status();
}
