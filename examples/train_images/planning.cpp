#include "planning.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <stdexcept>

#include "table.hpp"
#include "text.hpp"

using retrace::Plan, retrace::PlannedLayer;

namespace {

std::string milliseconds(double seconds) { return fixed(1000 * seconds, 1) + " ms"; }

std::size_t bytes_of_moments(Net& net, Rule rule) {
  return static_cast<std::size_t>(net.parameters().count()) * moment_bytes(rule);
}

}  // namespace

Plan make_plan(std::ostream& out, const Options& options) {
  Device device = make_device(options.threads, options.precision);
  Net net = build_net(device, options.net);
  std::optional<retrace::DriftGuard<float, Device>> guard;  // the guard stores samples
  if (options.drift) guard.emplace(net, *options.drift);
  retrace::PlanOptions chosen{.other_bytes = bytes_of_moments(net, options.net.rule),
                              .may_fuse = options.clip == 0};
  chosen.progress = [&](std::size_t done, std::size_t all) {
    out << "timed steps in " << done << " of " << all << " modes, once for this machine\n";
  };
  return retrace::plan(net, device, options.net.batch_shape(options.batch), *options.memory,
                       chosen);
}

void print_planned(std::ostream& out, const Plan& plan) {
  Table table({"layer", "mode", "keeps", "time"});
  for (const PlannedLayer& layer : plan.layers)
    table.add({layer.name, mode_name(layer), megabytes(static_cast<std::size_t>(layer.kept)),
               milliseconds(layer.seconds)});
  out << table << "a step on " << plan.batch.n << " images";
  if (plan.micro_batch < plan.batch.n)
    out << ", " << plan.micro_batch << " at a time, by whose statistics normalisations go";
  out << ": " << megabytes(plan.peak_bytes) << " at the peak, in " << plan.peak_place << ", and "
      << milliseconds(plan.seconds) << ", as predicted; the optimizer steps "
      << (plan.fused_optimizer ? "inside" : "after") << " backward\n";
}

void save_plan(const std::filesystem::path& path, const Plan& plan) {
  nlohmann::ordered_json json{{"batch", plan.batch.n},
                              {"micro_batch", plan.micro_batch},
                              {"fused_optimizer", plan.fused_optimizer},
                              {"peak_bytes", plan.peak_bytes},
                              {"peak_at", plan.peak_place},
                              {"seconds", plan.seconds},
                              {"layers", nlohmann::ordered_json::array()}};
  for (const PlannedLayer& layer : plan.layers)
    json["layers"].push_back({{"name", layer.name},
                              {"mode", mode_name(layer)},
                              {"kept_bytes", layer.kept},
                              {"seconds", layer.seconds}});
  std::ofstream file(path);
  if (!(file << json.dump(2) << std::endl))
    throw std::runtime_error("--save-plan " + path.string() + " cannot be written");
}
