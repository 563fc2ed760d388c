#include "flow_program.hpp"

#include <iostream>
#include <nlohmann/json.hpp>

#include "flow_results.hpp"
#include "ranks.hpp"
#include "retrace/core/thread_team.hpp"
#include "retrace/train/planner.hpp"
#include "text.hpp"
#include "training_run.hpp"

namespace {

/// Chooses the modes of all layers for the budget.
/// @throws retrace::NoPlan if no plan fits, with the smallest budget that would.
void plan_modes(FlowTrainer& trainer, retrace::Cpu& device, const FlowOptions& options,
                const FlowData& data) {
  const retrace::Shape batch{options.batch, data.shape.h, data.shape.w, data.shape.c};
  const std::size_t moments =
      2 * static_cast<std::size_t>(trainer.parameter_count()) * sizeof(float);
  retrace::PlanOptions chosen{.other_bytes = moments, .may_fuse = false, .may_cut = false};
  trainer.set_classes(std::vector<std::int32_t>{0});  // of all images, however many a trial has
  const retrace::Plan plan = retrace::plan(trainer.net(), device, batch, *options.memory, chosen);
  for (const retrace::PlannedLayer& layer : plan.layers)
    std::cout << "  " << layer.name << ": " << mode_name(layer) << '\n';
  std::cout << "planned: " << megabytes(plan.peak_bytes) << " at the peak, in " << plan.peak_place
            << '\n';
}

std::string start_text(const FlowOptions& options, const FlowData& data, FlowTrainer& trainer) {
  return to_string(options.net, data) + ": " +
         fixed(static_cast<double>(trainer.parameter_count()) / 1e6, 2) + " M parameters, batch " +
         std::to_string(options.batch) + ", " + std::to_string(data.train.count) + " samples of " +
         data.name + ", threads " + std::to_string(trainer.threads()) + '\n';
}

FlowSummary train(const FlowOptions& options, const FlowData& data, FlowTrainer& trainer,
                  const Stop& stop) {
  TrainingRun run(options,
                  {.options = recorded_flow_options(options),
                   .data = data.checksum,
                   .mode = std::string(retrace::name(options.net.mode)),
                   .samples = data.images ? "images" : "rows"},
                  stop, trainer);
  const std::string resumed = run.resume();
  const nlohmann::ordered_json start_of_line{{"arch", name(options.net.architecture)},
                                             {"mode", retrace::name(options.net.mode)},
                                             {"data", data.name},
                                             {"batch", options.batch},
                                             {"seed", options.seed}};
  Logs logs;
  return run.train(logs, start_of_line, start_text(options, data, trainer) + resumed);
}

int run(FlowOptions options) {
  const Stop stop(options.max_minutes);
  const FlowData data = read_flow_data(options.data);
  for (const std::string& note : data.notes) std::cout << note << '\n';
  fit_flow_to_data(options.net, options.net_is_open, data);
  retrace::Cpu device(options.threads);
  device.memory().set_limit(options.memory_limit);
  FlowTrainer trainer(device, options, data);
  if (options.memory) plan_modes(trainer, device, options, data);
  const FlowSummary summary = train(options, data, trainer, stop);
  std::cout << fixed(summary.samples_per_second, 0) << (data.images ? " images" : " rows")
            << "/s; peak memory " << megabytes(summary.peak.total()) << '\n';
  if (summary.test)
    std::cout << "test: " << fixed(*summary.test, 3)
              << (data.images ? " bits per dimension of " + std::to_string(data.bins) + " bins"
                              : " nats per row of standardised columns")
              << '\n';
  if (!summary.finished)
    print_stop(options, stop);
  else if (!options.results.empty())
    write_flow_results(std::cout, trainer, device, options, data);
  return stop.status();
}

}  // namespace

int run_flow_program(int count, char** arguments) {
  // Several ranks would need one ActNorm, whose scale is that of the first batch.
  return run_in_one_process("train_flow",
                            [&] { return run(parse_flow_options(count, arguments)); });
}
