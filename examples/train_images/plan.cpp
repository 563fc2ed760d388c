#include "plan.hpp"

#include <algorithm>
#include <ostream>
#include <string>
#include <vector>

#include "table.hpp"
#include "text.hpp"

using retrace::Index, retrace::PeakMemory;

namespace {

/// A network with its optimizer on a dry device, which only counts bytes.
struct Rehearsed {
  explicit Rehearsed(const NetChoice& choice)
      : net(build_net(device, choice)),
        optimizer(make_optimizer(net.parameters(),
                                 {.rule = choice.rule, .fused = choice.fused_optimizer})) {}

  Device device = make_dry_device();
  Net net;
  Optimizer optimizer;
};

/// The peak bytes during a pass through a layer, and the bytes at its end.
struct PassMemory {
  std::size_t peak = 0, after = 0;
};
struct LayerMemory {
  std::string layer;
  PassMemory forward, backward;
};

/// Observes one step. The meter's peak is restarted at every layer, so each layer has its own peak.
/// For a layer that runs twice, the larger peak counts.
std::vector<LayerMemory> watch_step(Rehearsed& rehearsed, retrace::Shape batch) {
  retrace::MemoryMeter& meter = rehearsed.device.memory();
  std::vector<LayerMemory> layers;
  rehearsed.net.observe([&](const Net::Visit& visit) {
    auto at = std::find_if(layers.begin(), layers.end(),
                           [&](const LayerMemory& each) { return each.layer == visit.layer; });
    if (at == layers.end()) at = layers.insert(at, {visit.layer, {}, {}});
    PassMemory& pass = visit.pass == Net::Pass::forward ? at->forward : at->backward;
    pass.peak = std::max(pass.peak, meter.peak().total());
    pass.after = meter.live().total();
    meter.restart_peak();
  });
  retrace::peak_memory(rehearsed.net, static_cast<Device&>(rehearsed.device), batch);
  rehearsed.net.observe({});
  return layers;
}

Table layer_table(const std::vector<LayerMemory>& layers) {
  Table table({"layer", "forward: peak", "after", "backward: peak", "after"});
  for (const LayerMemory& each : layers)
    table.add({each.layer, megabytes(each.forward.peak), megabytes(each.forward.after),
               megabytes(each.backward.peak), megabytes(each.backward.after)});
  return table;
}

Table use_table(const PeakMemory& peak) {
  Table table({"at the peak, in " + (peak.place.empty() ? "the loss" : peak.place), ""});
  for (retrace::Use use : retrace::all_uses)
    table.add({spaced(retrace::name(use)), megabytes(peak.bytes[use])});
  table.add({"total", megabytes(peak.bytes.total())});
  return table;
}

}  // namespace

PeakMemory predict_peak(const NetChoice& choice, Index images) {
  Rehearsed rehearsed(choice);
  return retrace::peak_memory(rehearsed.net, static_cast<Device&>(rehearsed.device),
                              choice.batch_shape(choice.at_a_time(images)));
}

void print_plan(std::ostream& out, const NetChoice& choice, Index images) {
  Rehearsed rehearsed(choice);
  const Table layers =
      layer_table(watch_step(rehearsed, choice.batch_shape(choice.at_a_time(images))));
  const Table uses = use_table(predict_peak(choice, images));
  out << "A training step of " << to_string(choice) << ", on " << images << " images of "
      << choice.image.h << 'x' << choice.image.w << ", will hold\n\n"
      << layers << '\n'
      << uses;
}
