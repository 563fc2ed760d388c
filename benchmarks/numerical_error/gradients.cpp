// RevNet's figures: the angle between gradients of stored and of reconstructed activations during
// training, and the two training curves.
#include <cmath>
#include <numbers>

#include "training.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

using Gradients = std::vector<std::vector<float>>;

Gradients copy_gradients(ParameterList<float, Cpu>& list) {
  Gradients copies;
  for (auto& named : list.parameters) {
    const auto& gradient = named.parameter->gradient;
    copies.emplace_back(gradient.data(), gradient.data() + gradient.shape().size());
  }
  return copies;
}

/// Returns the cosine of the angle between the gradients of all parameters as one vector.
double cosine(const Gradients& a, const Gradients& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      const double x = static_cast<double>(a[i][k]), y = static_cast<double>(b[i][k]);
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
  return ab / std::sqrt(aa * bb);
}

/// Returns 1 − cosine along a training run that uses the reconstructed gradients.
Series angles(const std::string& label, const RunSettings& run, const Settings& settings) {
  Cpu device(settings.threads);
  Net net = build_net(device, run);
  RunSettings as_stored = run;
  as_stored.activations = Activations::stored;
  Net stored = build_net(device, as_stored);
  Sgd<float, Cpu> sgd(net.parameters(), {.momentum = 0.9, .weight_decay = 5e-4});
  auto stored_list = stored.parameters();
  const OneCycle rate{.peak = run.rate, .steps = run.steps};
  Batches batches(device, settings, run.seed);
  Series series{.label = label};
  const std::size_t interval = std::max<std::size_t>(run.steps / 20, 1);
  for (std::size_t step = 0; step <= run.steps; ++step) {
    auto [x, labels] = batches(step);
    auto again = clone(x);
    accumulate_gradients(net, x, cross_entropy(labels));
    if (step % interval == 0) {
      auto& parameters = sgd.parameters().parameters;
      for (std::size_t i = 0; i < parameters.size(); ++i)
        copy(stored_list.parameters[i].parameter->value.view(),
             std::as_const(parameters[i].parameter->value).view());
      stored_list.zero_gradients();
      accumulate_gradients(stored, again, cross_entropy(labels));
      series.add(static_cast<double>(step),
                 std::max(1 - cosine(copy_gradients(sgd.parameters()), copy_gradients(stored_list)),
                          1e-16));
    }
    sgd.step(rate(step));
  }
  std::fprintf(stderr, "%s: cosine %.8f after %zu steps\n", label.c_str(), 1 - series.y.back(),
               run.steps);
  return series;
}

NetOptions narrow_revnet() {
  NetOptions options = paper_options(Architecture::revnet);
  options.channels = {16, 32, 64, 128};
  return options;
}

/// Returns the paper's hybrid with fewer channels: 28 invertible convolutions, a stem and a head.
NetOptions narrow_hybrid() {
  NetOptions options = paper_options(Architecture::hybrid);
  options.channels = {16, 64, 64, 64};
  return options;
}

Figure gradient_angle(const Settings& settings) {
  const std::size_t steps = settings.steps.value_or(200);
  RunSettings revnet{
      .architecture = Architecture::revnet, .net = narrow_revnet(), .steps = steps, .rate = 0.1};
  RunSettings hybrid{
      .architecture = Architecture::hybrid, .net = narrow_hybrid(), .steps = steps, .rate = 0.05};
  RunSettings fixed = revnet;
  fixed.net.stream = Stream::fixed32;
  return {"Gradients from reconstructed activations compared with those from stored ones",
          settings.data.train.name + ", batch " + std::to_string(settings.batch) +
              "; all parameters as one vector; points at 1e-16 are bit-identical",
          {{"1 - cosine of the angle over training steps",
            {"step"},
            {"1 - cosine", true},
            {angles("RevNet, float32", revnet, settings),
             angles("RevNet, fixed32 stream", fixed, settings),
             angles("hybrid of 30 convolutions, slope 0.1", hybrid, settings)}}}};
}

Figure training_curves(const Settings& settings) {
  const std::size_t steps = settings.steps.value_or(300),
                    width = std::max<std::size_t>(steps / 30, 1);
  RunSettings run{
      .architecture = Architecture::revnet, .net = narrow_revnet(), .steps = steps, .rate = 0.1};
  Plot plot{"loss over training steps", {"step"}, {"loss"}, {}};
  const auto add = [&](const std::string& label, bool dashed) {
    const RunResult result = train(run, settings);
    Series series =
        smoothed(label + ": test accuracy " + std::to_string(result.accuracy).substr(0, 4) + " %",
                 result.losses, width);
    series.dashed = dashed;
    plot.series.push_back(std::move(series));
  };
  run.activations = Activations::stored;
  add("stored", false);
  run.activations = Activations::reconstructed;
  add("reconstructed, float32", true);
  for (Stream stream : {Stream::fixed32, Stream::fixed16}) {
    run.net.stream = stream;
    add("reconstructed, " + std::string(name(stream)), true);
  }
  return {"RevNet trained from stored and from reconstructed activations",
          settings.data.train.name + ", batch " + std::to_string(settings.batch) + ", means of " +
              std::to_string(width) + " steps; accuracy on 1000 test images",
          {plot}};
}

}  // namespace

std::vector<FigureMaker> gradient_figures() {
  return {
      {"angle", "angle between stored and reconstructed gradients over training", gradient_angle},
      {"curves", "training curves, stored and reconstructed", training_curves}};
}

}  // namespace numerical_error
