#include "memory.hpp"

#include <algorithm>
#include <optional>
#include <ostream>

#include "optimizers.hpp"
#include "retrace/train/planner.hpp"
#include "table.hpp"
#include "text.hpp"

using retrace::Index;

namespace {

/// The bytes of the moments that an optimizer holds.
std::size_t moment_bytes(const Options& options) {
  Device device = make_dry_device();
  Model model = build_model(device, options.model, Purpose::measure);
  const TextOptimizer optimizer = make_optimizer(model.net.parameters(), options);
  return device.memory().live()[retrace::Use::optimizer];
}

void print_planned(std::ostream& out, const retrace::Plan& plan) {
  Table table({"layer", "mode", "keeps", "time"});
  for (const retrace::PlannedLayer& layer : plan.layers)
    table.add({layer.name, retrace::mode_name(layer),
               megabytes(static_cast<std::size_t>(layer.kept)),
               fixed(1000 * layer.seconds, 1) + " ms"});
  out << table << "a step on " << plan.batch.n << " windows";
  if (plan.micro_batch < plan.batch.n) out << ", " << plan.micro_batch << " at a time";
  out << ": " << megabytes(plan.peak_bytes) << " at the peak, in " << plan.peak_place
      << ", as predicted; the optimizer steps " << (plan.fused_optimizer ? "inside" : "after")
      << " backward" << std::endl;
}

/// Returns the largest of batch, batch/2, batch/4, … windows at a time that fit.
std::optional<std::string> largest_fit(Options options, std::size_t limit) {
  for (Index windows = options.at_a_time(); windows > 0; windows /= 2)
    if (const std::size_t bytes = predict_peak(options, windows).bytes.total(); bytes <= limit)
      return "--mode " + std::string(retrace::name(options.mode)) + " --micro-batch " +
             std::to_string(windows) + " (" + megabytes(bytes) + ")";
  return {};
}

}  // namespace

retrace::PeakMemory predict_peak(const Options& options, Index windows) {
  Device device = make_dry_device();
  Model model = build_model(device, options.model, Purpose::measure);
  const TextOptimizer optimizer = make_optimizer(model.net.parameters(), options);
  model.net.set_mode(options.mode);
  model.net.set_chunk(options.chunk);
  model.targets->set(
      std::vector<std::int32_t>(static_cast<std::size_t>(windows * options.model.length)));
  return retrace::peak_memory(model.net, device, options.batch_shape(windows),
                              retrace::mean_of(model.targets));
}

Options planned(std::ostream& out, Options options) {
  if (!options.memory) return options;
  Device device = make_device(options.threads);
  Model model = build_model(device, options.model, Purpose::measure);
  model.targets->set(
      std::vector<std::int32_t>(static_cast<std::size_t>(options.batch * options.model.length)));
  std::optional<retrace::DriftGuard<float, Device>> guard;  // the guard stores samples
  if (options.drift) guard.emplace(model.net, retrace::DriftOptions{.policy = *options.drift});
  const bool may_fuse = options.clip == 0 && options.on_nan == OnNan::stop &&
                        options.drift != retrace::DriftPolicy::anchor;
  retrace::PlanOptions chosen{.other_bytes = moment_bytes(options), .may_fuse = may_fuse};
  chosen.probed_images = std::max<Index>(1, std::min<Index>(options.batch, 4));
  chosen.progress = [&](std::size_t done, std::size_t all) {
    out << "timed steps in " << done << " of " << all << " modes, once for this machine"
        << std::endl;
  };
  retrace::Plan plan =
      retrace::plan(model.net, device, options.batch_shape(options.batch), *options.memory, chosen);
  print_planned(out, plan);
  options.fused_optimizer = plan.fused_optimizer;
  options.micro_batch = plan.micro_batch < options.batch ? plan.micro_batch : 0;
  options.plan = std::move(plan);
  return options;
}

std::string out_of_memory_report(const retrace::OutOfMemory& error, const Options& options) {
  const bool limited = error.limit != retrace::MemoryMeter::unlimited;
  const std::size_t room = limited ? error.limit : error.held.total();
  std::string fits;
  for (retrace::Mode mode : retrace::all_modes) {
    if (!options.model.reversible && mode != retrace::Mode::stored) continue;
    Options other = options;
    other.plan.reset();
    other.mode = mode;
    if (const auto fit = largest_fit(other, room)) fits += (fits.empty() ? "" : ", ") + *fit;
  }
  return std::string(error.what()) + ". Would fit, as predicted: " +
         (fits.empty()
              ? "no batch in any mode; use fewer --layers or --channels, a shorter --length, "
                "or --optimizer adafactor"
              : fits) +
         '.';
}
