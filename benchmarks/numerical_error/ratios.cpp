// Figures 10, 11, 13 and 14: signal-to-noise ratios of all layers of a network, and the lowest.
#include <cmath>

#include "training.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

/// The number of steps, unless settings specify another one.
constexpr std::size_t some_steps = 50;

struct TrainedNet {
  Cpu device;
  Net net;

  TrainedNet(const RunSettings& run, const Settings& settings)
      : device(settings.threads), net(build_net(device, run)) {}
};

/// Returns the ratios of a batch, from the first layer to the last, after some stored steps. The
/// steps use exact gradients, so the ratios reflect the reconstruction alone.
std::vector<LayerNoise> ratios(const RunSettings& run, const Settings& settings) {
  TrainedNet trained(run, settings);
  Net& net = trained.net;
  net.set_mode(Mode::stored);
  Sgd<float, Cpu> sgd(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  Batches batches(trained.device, settings, run.seed);
  for (std::size_t step = 0; step < run.steps; ++step) {
    auto [x, labels] = batches(step);
    accumulate_gradients(net, x, cross_entropy(labels));
    sgd.step(run.rate);
  }
  net.set_mode(run.architecture == Architecture::hybrid ? Mode::inverted : Mode::reversible);
  const SnrProbe probe(net);
  auto [x, labels] = batches(run.steps);
  accumulate_gradients(net, x, cross_entropy(labels));
  return {probe.results().rbegin(), probe.results().rend()};
}

double lowest_layer(const RunSettings& run, const Settings& settings) {
  return ratios(run, settings).front().sums.decibels();
}

double worst_layer(const RunSettings& run, const Settings& settings) {
  double worst = std::numeric_limits<double>::infinity();
  for (const LayerNoise& each : ratios(run, settings))
    worst = std::min(worst, each.sums.decibels());
  return worst;
}

std::string note(const Settings& settings, std::size_t steps) {
  return settings.data.train.name + ", batch " + std::to_string(settings.batch) +
         "; new weights, and after " + std::to_string(steps) + " stored steps";
}

Series layer_curve(const std::string& label, const RunSettings& run, const Settings& settings) {
  Series series{.label = label};
  double place = 0;
  for (const LayerNoise& each : ratios(run, settings)) series.add(++place, each.sums.decibels());
  return series;
}

Figure through_layers(Architecture architecture, double slope, double rate,
                      const Settings& settings) {
  const std::size_t steps = settings.steps.value_or(some_steps);
  NetOptions options =
      narrow_options(architecture, architecture == Architecture::hybrid ? 4 : 9, slope);
  const RunSettings run{.architecture = architecture, .net = options, .steps = 0, .rate = rate};
  RunSettings later = run;
  later.steps = steps;
  return {"Signal to noise of every reconstructed input, " + std::string(name(architecture)) +
              " net, slope " + std::to_string(slope).substr(0, 4),
          note(settings, steps),
          {{"by layer, from first to last",
            {"layer"},
            {"dB"},
            {layer_curve("new weights", run, settings),
             layer_curve("after " + std::to_string(steps) + " steps", later, settings)}}}};
}

template <class Measure>
Figure over_depth_and_slope(Architecture architecture, double slope, double rate,
                            const std::vector<Index>& depths, const std::string& axis,
                            const Settings& settings, Measure measure) {
  const std::size_t steps = settings.steps.value_or(some_steps);
  const std::string trained = "after " + std::to_string(steps) + " steps";
  const auto value = [&](Index blocks, double n, std::size_t count) {
    return measure({.architecture = architecture,
                    .net = narrow_options(architecture, blocks, n),
                    .steps = count,
                    .rate = rate},
                   settings);
  };
  Series depth_new{.label = "new weights"}, depth_later{.label = trained},
      slope_new{.label = "new weights"}, slope_later{.label = trained};
  for (Index blocks : depths) {
    depth_new.add(static_cast<double>(blocks), value(blocks, slope, 0));
    depth_later.add(static_cast<double>(blocks), value(blocks, slope, steps));
  }
  for (double n : {0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 1.0}) {
    slope_new.add(n, value(3, n, 0));
    slope_later.add(n, value(3, n, steps));
  }
  return {"Signal to noise of reconstructed inputs, " + std::string(name(architecture)) + " nets",
          note(settings, steps),
          {{"over the blocks, slope " + std::to_string(slope).substr(0, 4),
            {"blocks"},
            {axis},
            {depth_new, depth_later}},
           {"over the slope, 3 blocks", {"slope", true}, {axis}, {slope_new, slope_later}}}};
}

}  // namespace

std::vector<FigureMaker> ratio_figures() {
  using enum Architecture;
  return {{"10", "ratios through the layers of a layer-wise net",
           [](const Settings& s) { return through_layers(layerwise, 0.2, 0.01, s); }},
          {"11", "ratio at the lowest layer of layer-wise nets over depth and slope",
           [](const Settings& s) {
             return over_depth_and_slope(layerwise, 0.5, 0.01, {2, 4, 6, 9, 12, 16, 20},
                                         "dB at the lowest layer", s, lowest_layer);
           }},
          {"13", "ratios through the layers of a hybrid",
           [](const Settings& s) { return through_layers(hybrid, 0.2, 0.05, s); }},
          {"14", "lowest ratio of hybrids over depth and slope", [](const Settings& s) {
             return over_depth_and_slope(hybrid, 0.2, 0.05, {1, 2, 4, 6, 8, 12},
                                         "dB, worst of all layers", s, worst_layer);
           }}};
}

}  // namespace numerical_error
