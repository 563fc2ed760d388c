// Gradient errors as a function of reconstruction quality: the basis of the drift guard's
// thresholds.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "training.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

enum class Kind { revnet, bottleneck, layerwise, hybrid };
constexpr std::array<const char*, 4> kind_names{"RevNet", "bottleneck RevNet", "layer-wise",
                                                "hybrid, inverted"};

/// A network of one level, trained for some steps, and the batch of its gradients.
struct Subject {
  Kind kind = Kind::revnet;
  Index blocks = 100, channels = 8;
  double slope = 0;
  Index images = 8;
  std::size_t steps = 0;
  std::uint64_t seed = 1;
};

template <class T>
Chain<T, Cpu> build_subject(Cpu& device, const Subject& subject) {
  NetOptions options;
  options.slope = subject.slope;
  options.seed = subject.seed;
  Blocks<T, Cpu> make(device, options);
  const Index channels = subject.channels;
  Chain<T, Cpu> net;
  net.add("stem", make.conv(3, channels));
  for (Index i = 0; i < subject.blocks; ++i) {
    const std::string name = "block" + std::to_string(i);
    switch (subject.kind) {
      case Kind::revnet:
        net.add(name, make.coupling(channels));
        break;
      case Kind::bottleneck:
        net.add(name, make.bottleneck_coupling(channels));
        break;
      case Kind::hybrid:
        net.add(name, make.inverted_coupling(channels));
        break;
      case Kind::layerwise:
        net.add(name + ".conv", make.invertible_conv(channels))
            .add(name + ".norm", make.invertible_norm(channels));
    }
  }
  net.add("norm", make.norm(channels));
  net.add("average", GlobalAverage<T, Cpu>()).add("linear", make.linear(channels, 10));
  return net;
}

template <class T>
using Gradients = std::vector<std::vector<T>>;

template <class T>
Gradients<T> gradients(Chain<T, Cpu>& net, const Tensor<float, Cpu>& images,
                       std::span<const std::int32_t> labels) {
  auto list = net.parameters();
  list.zero_gradients();
  Tensor<T, Cpu> x(images.device(), images.shape());
  std::copy_n(images.data(), images.shape().size(), x.data());
  accumulate_gradients(net, x, cross_entropy(labels));
  Gradients<T> all;
  for (const auto& named : list.parameters) {
    const auto& gradient = named.parameter->gradient;
    all.emplace_back(gradient.data(), gradient.data() + gradient.shape().size());
  }
  return all;
}

/// |a − b|/|b| over all parameters as one vector, and its median over parameter tensors.
struct Distance {
  double whole = 0, median = 0;
};
template <class A, class B>
Distance distance(const Gradients<A>& a, const Gradients<B>& b) {
  math::SignalNoise all;
  std::vector<double> each;
  for (std::size_t i = 0; i < a.size(); ++i) {
    math::SignalNoise sums;
    for (std::size_t k = 0; k < a[i].size(); ++k)
      sums.add(static_cast<double>(b[i][k]), static_cast<double>(a[i][k]));
    all += sums;
    each.push_back(sums.relative_error());
  }
  const auto middle = each.begin() + std::ssize(each) / 2;
  std::nth_element(each.begin(), middle, each.end());
  return {all.relative_error(), *middle};
}

struct Measurement {
  Subject subject;
  double decibels;  ///< the lowest ratio that the guard measures
  Distance of_stored, of_double;
  double stored_of_double;  ///< the error of float without reconstruction
};

/// Returns every second pixel of each image, so that deep networks run within minutes.
Tensor<float, Cpu> halved(const Tensor<float, Cpu>& images) {
  const Shape shape = images.shape();
  Tensor<float, Cpu> small(images.device(), {shape.n, shape.h / 2, shape.w / 2, shape.c});
  for (Index n = 0, to = 0; n < shape.n; ++n)
    for (Index h = 0; h + 1 < shape.h; h += 2)
      for (Index w = 0; w + 1 < shape.w; w += 2)
        for (Index c = 0; c < shape.c; ++c)
          small.data()[to++] = images.data()[((n * shape.h + h) * shape.w + w) * shape.c + c];
  return small;
}

Measurement measure(const Subject& subject, Settings settings) {
  settings.batch = subject.images;
  Cpu device(settings.threads);
  Net net = build_subject<float>(device, subject);
  net.set_mode(Mode::stored);
  Batches batches(device, settings, subject.seed);
  {
    Sgd<float, Cpu> sgd(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
    for (std::size_t step = 0; step < subject.steps; ++step) {
      auto [x, labels] = batches(step);
      auto small = halved(x);
      accumulate_gradients(net, small, cross_entropy(labels));
      sgd.step(0.02);
    }
  }
  auto [x, labels] = batches(subject.steps);
  const auto images = halved(x);
  const auto stored = gradients(net, images, labels);
  net.set_mode(subject.kind == Kind::hybrid ? Mode::inverted : Mode::reversible);
  constexpr double never = -std::numeric_limits<double>::infinity();
  DriftGuard guard(net, {.warn_below = never, .discard_below = never});
  const auto reconstructed = gradients(net, images, labels);
  const DriftVerdict verdict = guard.verdict();

  auto exact = build_subject<double>(device, subject);
  exact.set_mode(Mode::stored);
  const auto from = net.parameters();
  const auto to = exact.parameters();
  for (std::size_t i = 0; i < from.parameters.size(); ++i) {
    const auto& value = from.parameters[i].parameter->value;
    std::copy_n(value.data(), value.shape().size(), to.parameters[i].parameter->value.data());
  }
  const auto truth = gradients(exact, images, labels);
  return {subject, verdict.nonfinite.empty() ? verdict.lowest : never,
          distance(reconstructed, stored), distance(reconstructed, truth),
          distance(stored, truth).whole};
}

/// Returns subjects of various depths, slopes, widths and batches, with new and trained weights.
std::vector<Subject> subjects(int seeds) {
  std::vector<Subject> all;
  for (std::uint64_t seed = 1; seed <= static_cast<std::uint64_t>(seeds); ++seed) {
    const auto add = [&](Subject subject) {
      subject.seed = seed;
      all.push_back(subject);
    };
    for (Index blocks : {10, 30, 100, 300, 1000}) add({.blocks = blocks});
    for (Index channels : {4, 16, 32}) add({.blocks = 200, .channels = channels});
    for (double slope : {0.01, 0.1, 0.5}) add({.blocks = 300, .slope = slope});
    for (Index images : {1, 2, 32}) add({.blocks = 200, .images = images});
    for (std::size_t steps : {20, 100}) add({.blocks = 100, .steps = steps});
    for (Index blocks : {30, 300}) add({.blocks = blocks, .steps = 50});
    for (Index channels : {8, 16, 32})
      for (Index blocks : {30, 100, 200})
        add({.kind = Kind::bottleneck, .blocks = blocks, .channels = channels});
    for (Index images : {1, 2, 32})
      add({.kind = Kind::bottleneck, .channels = 16, .images = images});
    for (std::size_t steps : {20, 100})
      add({.kind = Kind::bottleneck, .channels = 16, .steps = steps});
    for (std::size_t steps : {0, 50}) {
      for (Index blocks : {4, 6, 7, 8, 9})
        add({.kind = Kind::layerwise,
             .blocks = blocks,
             .channels = 16,
             .slope = 0.2,
             .steps = steps});
      for (Index blocks : {10, 14, 18})
        add({.kind = Kind::layerwise,
             .blocks = blocks,
             .channels = 16,
             .slope = 0.5,
             .steps = steps});
    }
    for (double slope : {0.1, 0.01, 0.001})
      add({.kind = Kind::hybrid, .blocks = 10, .channels = 16, .slope = slope});
    for (Index blocks : {30, 100}) add({.kind = Kind::hybrid, .blocks = blocks, .slope = 0.1});
  }
  return all;
}

void report(const Measurement& each) {
  const Subject& subject = each.subject;
  std::fprintf(stderr,
               "%-17s %4lld blocks, %2lld channels, slope %.3f, %2lld images, %3zu steps, seed "
               "%llu: %5.1f dB, estimate %.1e; of stored %.1e, median tensor %.1e; of double "
               "%.1e, stored of double %.1e\n",
               kind_names[static_cast<std::size_t>(subject.kind)],
               static_cast<long long>(subject.blocks), static_cast<long long>(subject.channels),
               subject.slope, static_cast<long long>(subject.images), subject.steps,
               static_cast<unsigned long long>(subject.seed), each.decibels,
               math::gradient_error(each.decibels), each.of_stored.whole, each.of_stored.median,
               each.of_double.whole, each.stored_of_double);
}

/// Prints how accurate the estimate is where there is more signal than noise, and which errors the
/// guard would accept.
void summarise(const std::vector<Measurement>& all) {
  const DriftOptions usual;
  std::size_t judged = 0, above = 0, used = 0, wrong = 0, wrong_used = 0;
  double most = 0, worst_used = 0;
  for (const Measurement& each : all) {
    const double error = each.of_stored.whole, estimate = math::gradient_error(each.decibels);
    const bool is_used = each.decibels >= usual.discard_below;
    used += is_used;
    wrong += error > 0.1;
    wrong_used += is_used && error > 0.1;
    if (is_used) worst_used = std::max(worst_used, error);
    if (each.decibels <= 0) continue;
    ++judged;
    above += error > estimate;
    most = std::max(most, error / estimate);
  }
  std::fprintf(
      stderr,
      "%zu steps, %zu above 0 dB: there %zu errors exceed the estimate, and the largest is "
      "%.2f of it; %zu are used, the worst of them off by %.2e; of %zu off by more than "
      "10 %%, %zu are used\n",
      all.size(), judged, above, most, used, worst_used, wrong, wrong_used);
}

Figure gradient_error(const Settings& settings) {
  std::vector<Measurement> all;
  for (const Subject& subject : subjects(settings.seeds)) {
    all.push_back(measure(subject, settings));
    report(all.back());
  }
  summarise(all);
  constexpr double shown_from = 20, shown_to = 130;
  Plot plot{"relative error of the gradient of all parameters",
            {"dB of the worst reconstructed input"},
            {"|error|/|gradient|", true},
            {}};
  for (std::size_t kind = 0; kind < kind_names.size(); ++kind) {
    Series fresh{.label = kind_names[kind], .line = false, .colour = kind};
    for (const Measurement& each : all)
      if (each.subject.kind == Kind{static_cast<int>(kind)} && each.decibels > shown_from)
        fresh.add(each.decibels, each.of_stored.whole);
    plot.series.push_back(std::move(fresh));
  }
  Series estimate{.label = "the guard's estimate, 5·10^(−dB/40)", .dots = false, .colour = 4},
      noise{.label = "the noise itself, 10^(−dB/20)", .dots = false, .dashed = true, .colour = 5};
  for (double decibels : {shown_from, shown_to}) {
    estimate.add(decibels, math::gradient_error(decibels));
    noise.add(decibels, std::pow(10, -decibels / 20));
  }
  plot.series.push_back(std::move(estimate));
  plot.series.push_back(std::move(noise));

  Plot depth{"RevNet of 8 channels, slope 0, 8 images, new weights",
             {"blocks", true},
             {"|error|/|gradient|", true},
             {}};
  Series of_stored{.label = "reconstructed compared with stored, float", .line = false},
      of_double{.label = "stored float compared with stored double", .line = false},
      estimated{.label = "the guard's estimate", .line = false};
  for (const Measurement& each : all) {
    const Subject& subject = each.subject;
    if (subject.kind != Kind::revnet || subject.channels != 8 || subject.slope != 0 ||
        subject.images != 8 || subject.steps != 0)
      continue;
    const auto blocks = static_cast<double>(subject.blocks);
    of_stored.add(blocks, each.of_stored.whole);
    of_double.add(blocks, each.stored_of_double);
    estimated.add(blocks, math::gradient_error(each.decibels));
  }
  depth.series = {of_stored, of_double, estimated};
  return {"Gradient error over the noise of reconstructed inputs",
          settings.data.train.name + " at 16 x 16; " + std::to_string(settings.seeds) +
              " seeds; float; a dot is one step",
          {plot, depth}};
}

}  // namespace

std::vector<FigureMaker> gradient_error_figures() {
  return {
      {"gradient-error", "gradient error over the noise of reconstructed inputs", gradient_error}};
}

}  // namespace numerical_error
