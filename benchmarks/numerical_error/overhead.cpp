// The overhead of the drift guard: step times with and without it, alternating.
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>

#include "support/statistics.hpp"
#include "training.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

/// Plots the milliseconds of guarded and unguarded steps, alternating, so that other load affects
/// both equally.
Plot step_times(Architecture architecture, const Settings& settings) {
  Cpu device(settings.threads);
  const RunSettings run{.architecture = architecture, .net = paper_options(architecture)};
  Net net = build_net(device, run);
  Sgd<float, Cpu> sgd(net.parameters(), {});
  Batches batches(device, settings, run.seed);
  auto [x, labels] = batches(0);
  Series guarded{.label = "guarded", .line = false}, plain{.label = "not guarded", .line = false};
  const std::size_t steps = settings.steps.value_or(20);
  for (std::size_t step = 0; step <= 2 * steps; ++step) {
    std::unique_ptr<DriftGuard<float, Cpu>> guard;
    if (step % 2 == 0) guard = std::make_unique<DriftGuard<float, Cpu>>(net);
    const auto start = std::chrono::steady_clock::now();
    accumulate_gradients(net, x, cross_entropy(labels));
    if (guard) guard->verdict();
    sgd.step(1e-4);
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
    if (step > 0) (guard ? guarded : plain).add(static_cast<double>(step), time.count());
  }
  const double with = benchmark::median(guarded.y), without = benchmark::median(plain.y);
  std::array<char, 100> text{};
  std::snprintf(text.data(), text.size(), "%s: medians %.1f and %.1f ms, %+.2f %%",
                std::string(name(architecture)).c_str(), with, without, 100 * (with / without - 1));
  std::fprintf(stderr, "%s\n", text.data());
  return {text.data(), {"step"}, {"ms"}, {guarded, plain}};
}

Figure guard_overhead(const Settings& settings) {
  return {
      "Time of training steps with and without the drift guard, alternating",
      "batch " + std::to_string(settings.batch) + " of 32 x 32",
      {step_times(Architecture::revnet, settings), step_times(Architecture::layerwise, settings)}};
}

}  // namespace

std::vector<FigureMaker> overhead_figures() {
  return {{"overhead", "time of steps with and without the drift guard", guard_overhead}};
}

}  // namespace numerical_error
