#include "program.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "advice.hpp"
#include "command_line.hpp"
#include "compare.hpp"
#include "data.hpp"
#include "options.hpp"
#include "other_device.hpp"
#include "plan.hpp"
#include "planning.hpp"
#include "ranks.hpp"
#include "recorded_options.hpp"
#include "retrace/core/thread_team.hpp"
#include "text.hpp"
#include "trainer.hpp"
#include "training_run.hpp"

namespace {

std::string start_text(const Options& options, const DataSet& data, const Device& device,
                       retrace::Index parameters, const Ranks& ranks) {
  return to_string(options.net) + ": " + fixed(static_cast<double>(parameters) / 1e6, 2) +
         " M parameters, batch " + std::to_string(options.batch) + ", " +
         std::to_string(data.train->size()) + ' ' + data.name + " images, " + describe(device) +
         (ranks.size() > 1 ? " on each of " + std::to_string(ranks.size()) + " ranks\n" : "\n");
}

/// Describes the modes, which change the order of additions.
std::string modes(const NetChoice& choice) {
  std::string text = mode_name(choice);
  if (choice.plan)
    for (const retrace::PlannedLayer& layer : choice.plan->layers)
      text += ' ' + retrace::mode_name(layer);
  return choice.chunk > 0 ? text + " in chunks of " + std::to_string(choice.chunk) : text;
}

/// Returns what starts each line of the log.
nlohmann::ordered_json description(const Options& options, const DataSet& data) {
  return {{"arch", name(options.net.architecture)},
          {"mode", mode_name(options.net)},
          {"stream", retrace::name(options.net.options.stream)},
          {"data", data.name},
          {"batch", options.batch},
          {"seed", options.seed}};
}

/// Resumes training if requested, and trains until the last step or a stop.
TrainingSummary train(const Options& options, const DataSet& data, const Stop& stop, Logs& logs,
                      Ranks& ranks) try {
  Device device = make_device(options.threads, options.precision);
  device.memory().set_limit(options.memory_limit);
  Trainer trainer(device, options, data, ranks);
  TrainingRun run(options,
                  {.options = recorded_options(options),
                   .data = data.checksum,
                   .former_data = [&] { return former_checksum(data); },
                   .mode = modes(options.net),
                   .more = recorded_input(options, data)},
                  stop, trainer, &ranks);
  std::string resumed = run.resume();
  if (!options.start_from.empty() && ranks.first() && trainer.state().step == 0)
    resumed += start_from(options.start_from, trainer);
  const std::string start = start_text(options, data, device, trainer.parameter_count(), ranks);
  return run.train(logs, description(options, data), start + resumed);
} catch (const retrace::OutOfMemory& error) {
  throw std::runtime_error(out_of_memory_report(error, options));
}

void print_summary(const TrainingSummary& summary) {
  std::cout << fixed(summary.images_per_second, 0) << " images/s; peak memory "
            << megabytes(summary.peak.total()) << ':';
  for (retrace::Use use : retrace::all_uses)
    std::cout << ' ' << spaced(name(use)) << ' ' << megabytes(summary.peak[use])
              << (use == retrace::all_uses.back() ? "\n" : ",");
}

/// Returns the options with a plan in place of the budget.
Options planned(Options options, const Ranks& ranks) {
  if (!options.memory) return options;
  ranks.require_alone("--memory");
  retrace::Plan plan = make_plan(std::cout, options);
  print_planned(std::cout, plan);
  if (!options.save_plan.empty()) save_plan(options.save_plan, plan);
  options.net.fused_optimizer = plan.fused_optimizer;
  options.net.micro_batch = plan.micro_batch < options.batch ? plan.micro_batch : 0;
  options.net.plan = std::move(plan);
  return options;
}

/// Trains in two modes and compares them, unless stopped earlier.
void compare(const Options& options, const DataSet& data, const Stop& stop, Logs& logs,
             Ranks& ranks) {
  std::vector<ModeResult> results;
  for (MemoryMode mode : {options.net.mode, MemoryMode{}}) {
    Options each = options;
    each.net.mode = mode;
    if (!options.tensorboard.empty()) each.tensorboard = options.tensorboard / name(mode);
    const TrainingSummary summary = train(each, data, stop, logs, ranks);
    if (!summary.finished) return print_stop(options, stop);
    results.push_back({mode, summary, measure_bytes_per_pixel(each.net, data)});
  }
  print_comparison(std::cout, data.name, results[0], results[1]);
}

/// Returns the exit status of the program.
int run(Options options, Ranks& ranks) {
  if (options.plan && options.program.for_cifar10 && options.data.empty()) {
    print_plan(std::cout, options.net,
               options.batch);  // the image shape is known without reading data
    return 0;
  }
  const Stop stop(options.max_minutes);
  const DataSet data = load_data(options);
  for (const std::string& note : data.notes) std::cout << note << '\n';
  for (const std::string& note : fit_to_data(options, data)) std::cout << note << '\n';
  if (options.plan) {
    print_plan(std::cout, options.net, options.batch);
    return 0;
  }
  ranks.meet();
  ranks.require_same("training data", data.checksum);
  ranks.require_same("options", recorded_options(options));
  options = planned(std::move(options), ranks);
  Logs logs;
  if (options.compare) {
    compare(options, data, stop, logs, ranks);
  } else {
    const TrainingSummary summary = train(options, data, stop, logs, ranks);
    print_summary(summary);
    if (data.labels_pixels() && summary.matrix) print(std::cout, *summary.matrix, data.classes);
    if (!summary.finished) print_stop(options, stop);
  }
  return stop.status();
}

}  // namespace

int run_program(const Program& program, int count, char** arguments) {
  return run_on_ranks(program.name, [&](Ranks& ranks) {
    Options options = parse_options(program, count, arguments);
    if (options.device != device_kind) become_program_for(options.device, arguments);
    ranks.join();
    ranks.leave_files_to_first(options);
    options.threads = ranks.threads(options.threads);
    retrace::ThreadTeam::shared(options.threads);  // for data; the device has its own threads
    return run(std::move(options), ranks);
  });
}
