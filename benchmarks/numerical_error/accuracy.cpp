// Figures 12 and 15: accuracy with and without reconstruction, and the effect of a drift guard.
#include <algorithm>
#include <numeric>

#include "training.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

std::string note(const Settings& settings, std::size_t steps) {
  return settings.data.train.name + ", " + std::to_string(steps) + " steps of batch " +
         std::to_string(settings.batch) + "; accuracy on 1000 test images";
}

/// Plots accuracy, stored and reconstructed, and the worst ratio over a parameter of the network
/// that `vary` changes.
template <class Vary>
std::pair<Plot, Plot> stored_and_reconstructed(const std::string& title, Axis axis,
                                               const std::vector<double>& places,
                                               const Settings& settings, Vary vary) {
  Plot accuracy{title, axis, {"test accuracy, %"}, {}},
      ratio{title, axis, {"worst reconstructed input, dB"}, {}};
  Series stored{.label = "stored"}, reconstructed{.label = "reconstructed"},
      worst{.label = "lowest of all steps", .colour = 1}, first{.label = "first step", .colour = 4};
  for (double place : places) {
    RunSettings run = vary(place);
    run.activations = Activations::stored;
    stored.add(place, train(run, settings).accuracy);
    run.activations = Activations::reconstructed;
    const RunResult result = train(run, settings);
    reconstructed.add(place, result.accuracy);
    first.add(place, result.ratios.front());
    worst.add(place, *std::min_element(result.ratios.begin(), result.ratios.end()));
  }
  accuracy.series = {stored, reconstructed};
  ratio.series = {first, worst};
  return {accuracy, ratio};
}

Figure over_depth_and_slope(Architecture architecture, double slope, double rate, double blocks,
                            const std::vector<double>& depths, const Settings& settings) {
  const std::size_t steps = settings.steps.value_or(200);
  const auto run = [&](double count, double n) {
    return RunSettings{.architecture = architecture,
                       .net = narrow_options(architecture, static_cast<Index>(count), n),
                       .steps = steps,
                       .rate = rate};
  };
  auto [by_depth, depth_ratio] = stored_and_reconstructed(
      "over the blocks, slope " + std::to_string(slope).substr(0, 4), {"blocks"}, depths, settings,
      [&](double count) { return run(count, slope); });
  auto [by_slope, slope_ratio] = stored_and_reconstructed(
      "over the slope, " + std::to_string(static_cast<int>(blocks)) + " blocks", {"slope", true},
      {0.01, 0.05, 0.1, 0.2, 0.5, 1.0}, settings, [&](double n) { return run(blocks, n); });
  return {"Accuracy with and without reconstruction, " + std::string(name(architecture)) + " nets",
          note(settings, steps),
          {by_depth, depth_ratio, by_slope, slope_ratio}};
}

/// Returns "stored: 31.2, 30.8, 31.9 %, 4 anchors".
std::string outcome(const std::string& label, const std::vector<RunResult>& runs) {
  std::string text = label + ": ";
  for (const RunResult& run : runs)
    text += (&run == &runs.front() ? "" : ", ") + std::to_string(run.accuracy).substr(0, 4);
  const auto most = std::max_element(
      runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.anchors < b.anchors; });
  return text + " %" +
         (most->anchors ? ", at most " + std::to_string(most->anchors) + " anchors" : "");
}

/// Trains a layer-wise net that diverges because of reconstruction, and the same net with a guard.
Figure guarded_training(const Settings& settings) {
  const std::size_t steps = settings.steps.value_or(200),
                    width = std::max<std::size_t>(steps / 25, 1);
  constexpr Index blocks = 12;
  constexpr double slope = 0.2;
  Plot plot{"loss over training steps", {"step"}, {"loss"}, {}};
  std::size_t colour = 0;
  for (const auto& [label, activations] :
       {std::pair("stored", Activations::stored), std::pair("guarded", Activations::guarded),
        std::pair("unguarded", Activations::reconstructed)}) {
    std::vector<RunResult> runs;
    for (int seed = 1; seed <= settings.seeds; ++seed)
      runs.push_back(train({.architecture = Architecture::layerwise,
                            .net = narrow_options(Architecture::layerwise, blocks, slope),
                            .activations = activations,
                            .steps = steps,
                            .rate = 0.05,
                            .seed = static_cast<std::uint64_t>(seed)},
                           settings));
    for (const RunResult& run : runs) {
      Series series =
          smoothed(&run == &runs.front() ? outcome(label, runs) : "", run.losses, width);
      series.colour = colour;
      plot.series.push_back(std::move(series));
    }
    ++colour;
  }
  return {"A layer-wise net of " + std::to_string(blocks) + " blocks with a slope of 0.2",
          note(settings, steps) + "; " + std::to_string(settings.seeds) + " seeds",
          {plot}};
}

}  // namespace

std::vector<FigureMaker> accuracy_figures() {
  using enum Architecture;
  return {
      {"12", "accuracy of layer-wise nets over depth and slope",
       [](const Settings& s) {
         return over_depth_and_slope(layerwise, 0.2, 0.05, 6, {3, 6, 8, 10, 12, 16}, s);
       }},
      {"15", "accuracy of hybrids over depth and slope",
       [](const Settings& s) {
         return over_depth_and_slope(hybrid, 0.2, 0.05, 3, {1, 3, 6, 9}, s);
       }},
      {"guard", "a net that reconstruction ruins: stored, unguarded, guarded", guarded_training}};
}

}  // namespace numerical_error
