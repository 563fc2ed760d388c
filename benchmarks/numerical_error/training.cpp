#include "training.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <numeric>
#include <span>

namespace numerical_error {

using namespace retrace;

namespace {

constexpr Index test_images = 1000;

double test_accuracy(Cpu& device, Net& net, const Settings& settings) {
  const Data& data = settings.data;
  std::vector<Index> images(static_cast<std::size_t>(std::min(test_images, data.test.size())));
  std::iota(images.begin(), images.end(), Index{0});
  Index correct = 0;
  for (std::span<const Index> left = images; !left.empty();) {
    const auto part = left.first(std::min(left.size(), static_cast<std::size_t>(settings.batch)));
    left = left.subspan(part.size());
    auto [x, labels] = load_batch<float>(device, data.test, part, data.normalisation);
    correct += evaluate(net, x, cross_entropy(labels)).correct;
  }
  return 100.0 * static_cast<double>(correct) / static_cast<double>(images.size());
}

std::string to_string(const RunSettings& run) {
  const auto blocks = std::accumulate(run.net.blocks.begin(), run.net.blocks.end(), Index{0});
  const char* activations = run.activations == Activations::stored          ? "stored"
                            : run.activations == Activations::reconstructed ? "reconstructed"
                                                                            : "guarded";
  return std::string(name(run.architecture)) + ", " + std::to_string(blocks) + " blocks, slope " +
         std::to_string(run.net.slope) + ", seed " + std::to_string(run.seed) + ", " + activations;
}

void report(const RunSettings& run, const RunResult& result) {
  const double last =
      std::accumulate(result.losses.end() - std::min<std::ptrdiff_t>(20, std::ssize(result.losses)),
                      result.losses.end(), 0.0) /
      static_cast<double>(std::min<std::size_t>(20, result.losses.size()));
  std::fprintf(stderr,
               "%s: %zu steps%s, loss %.3f, accuracy %.1f %%, worst ratio %.1f dB, %d discarded, "
               "%d anchors\n",
               to_string(run).c_str(), result.losses.size(), result.diverged ? ", diverged" : "",
               last, result.accuracy, result.ratios.empty() ? NAN : result.ratios.back(),
               result.discarded, result.anchors);
}

/// Returns options for a guard that only measures unless the run is guarded.
DriftOptions guard_options(Activations activations) {
  DriftOptions options;
  if (activations != Activations::guarded)
    options.warn_below = options.discard_below = -std::numeric_limits<double>::infinity();
  return options;
}

}  // namespace

Data load_data(const std::filesystem::path& folder) {
  constexpr Index train_images = 20000;
  Data data;
  data.train = folder.empty() ? synthetic_images(train_images, 1) : read_cifar10_training(folder);
  data.test = folder.empty() ? synthetic_images(test_images, 2) : read_cifar10_test(folder);
  data.normalisation = pixel_statistics(data.train);
  return data;
}

Batches::Batches(Cpu& device, const Settings& settings, std::uint64_t seed)
    : device_(device), settings_(settings), seed_(seed) {}

LabelledBatch<float, Cpu> Batches::operator()(std::size_t step) {
  const ImageSet& images = settings_.data.train;
  const auto batch = static_cast<std::size_t>(settings_.batch);
  const std::size_t steps = static_cast<std::size_t>(images.size()) / batch;
  const auto epoch = static_cast<std::uint32_t>(step / steps);
  if (step / steps != epoch_) {
    order_ = shuffled(images.size(), seed_, epoch);
    epoch_ = step / steps;
  }
  const auto indices = std::span<const Index>(order_).subspan(step % steps * batch, batch);
  return load_batch<float>(device_, images, indices, settings_.data.normalisation,
                           {.crop_flip = true, .seed = seed_, .epoch = epoch});
}

Net build_net(Cpu& device, const RunSettings& run) {
  NetOptions options = run.net;
  options.seed = run.seed;
  Net net = build<float>(device, run.architecture, options);
  net.set_mode(run.activations == Activations::stored     ? Mode::stored
               : run.architecture == Architecture::hybrid ? Mode::inverted
                                                          : Mode::reversible);
  return net;
}

RunResult train(const RunSettings& run, const Settings& settings) {
  Cpu device(settings.threads);
  Net net = build_net(device, run);
  Sgd<float, Cpu> sgd(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  const OneCycle rate{.peak = run.rate, .steps = run.steps};
  Batches batches(device, settings, run.seed);
  RunResult result;
  DriftGuard guard(net, guard_options(run.activations));
  for (std::size_t step = 0; step < run.steps; ++step) {
    double loss = 0;
    {
      auto [x, labels] = batches(step);
      loss = accumulate_gradients(net, x, cross_entropy(labels)).mean();
    }
    const DriftVerdict verdict = guard.verdict();
    result.ratios.push_back(verdict.lowest);
    result.discarded += verdict.discard;
    if (std::isfinite(loss)) result.losses.push_back(loss);
    if (verdict.discard) {
      sgd.parameters().zero_gradients();
      continue;
    }
    if (!std::isfinite(loss) || !first_nonfinite_gradient(sgd.parameters()).empty()) {
      result.diverged = true;
      break;
    }
    sgd.step(rate(step));
  }
  result.anchors = static_cast<int>(guard.anchors().size());
  result.accuracy = test_accuracy(device, net, settings);
  report(run, result);
  return result;
}

NetOptions narrow_options(Architecture architecture, Index blocks, double slope) {
  NetOptions options = paper_options(architecture);
  options.channels = {8, 32, 32};
  options.blocks = {(blocks + 2) / 3, (blocks + 1) / 3, blocks / 3};
  options.slope = slope;
  options.scale_floor = 0.1;
  return options;
}

Series smoothed(std::string label, const std::vector<double>& values, std::size_t width) {
  Series series{.label = std::move(label), .dots = false};
  for (std::size_t first = 0; first + width <= values.size(); first += width) {
    const double sum =
        std::accumulate(values.begin() + static_cast<std::ptrdiff_t>(first),
                        values.begin() + static_cast<std::ptrdiff_t>(first + width), 0.0);
    series.add(static_cast<double>(first) + static_cast<double>(width) / 2,
               sum / static_cast<double>(width));
  }
  return series;
}

}  // namespace numerical_error
