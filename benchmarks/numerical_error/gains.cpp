// Figures 5 and 6 of the paper: the noise gain of inverting one layer, by formula and measured.
#include <cmath>
#include <span>

#include "figure.hpp"

namespace numerical_error {

using namespace retrace;

namespace {

using Image = Tensor<double, Cpu>;

Image normal_image(Cpu& device, Shape shape, std::uint64_t seed, double deviation) {
  Image image(device, shape);
  Random random(seed, substream("numerical_error"));
  for (double& value : std::span(image.data(), static_cast<std::size_t>(shape.size())))
    value = deviation * random.normal();
  return image;
}

/// Returns the share of the signal-to-noise ratio that remains if white noise of deviation 1e-5 is
/// added to the output.
template <class L>
double measured_gain(Cpu& device, L& layer, Index channels) {
  const Shape shape{16, 32, 32, channels};
  const Image x = normal_image(device, shape, 1, 1);
  Image y = clone(x);
  layer.forward(y, training);
  Image noisy = normal_image(device, shape, 2, 1e-5);
  add(noisy.view(), y.view());
  const auto out = signal_noise(y.view(), noisy.view());
  layer.inverse(noisy, training);
  const auto in = signal_noise(x.view(), noisy.view());
  return in.signal / in.noise / (out.signal / out.noise);
}

/// Returns `steps` numbers from `low` to `high` in geometric progression.
std::vector<double> logarithmic(double low, double high, int steps) {
  std::vector<double> values;
  for (int i = 0; i < steps; ++i) values.push_back(low * std::pow(high / low, i / (steps - 1.0)));
  return values;
}

template <class Formula, class Measure>
Plot gain_plot(const std::string& title, const std::string& axis, std::vector<double> places,
               Formula formula, Measure measure) {
  Series by_formula{.label = "formula", .dots = false},
      measured{.label = "measured", .line = false};
  for (double place : places) {
    by_formula.add(place, math::decibels(formula(place)));
    measured.add(place, math::decibels(measure(place)));
  }
  return {title, {axis, true}, {"α in dB"}, {by_formula, measured}};
}

Figure normalisation_gain(const Settings& settings) {
  Cpu device(settings.threads);
  const auto measure = [&](double rho) {
    constexpr double floor = 1e-6;
    InvertibleBatchNorm<double, Cpu> layer(device, 2, {.scale_floor = floor});
    layer.gamma().value.data()[0] = 1 - floor;
    layer.gamma().value.data()[1] = rho - floor;
    return measured_gain(device, layer, 2);
  };
  return {
      "Inverting a normalisation of two channels scaled by 1 and ρ",
      "16 images of 32 x 32, normally distributed; white noise of 1e-5 added to the output; double",
      {gain_plot("share of the ratio that remains", "ρ", logarithmic(0.01, 100, 17),
                 math::toy_normalisation_noise_gain, measure)}};
}

Figure activation_gain(const Settings& settings) {
  Cpu device(settings.threads);
  const auto measure = [&](double slope) {
    LeakyRelu<double, Cpu> layer(slope);
    return measured_gain(device, layer, 2);
  };
  return {
      "Inverting a leaky rectifier of slope n",
      "16 images of 32 x 32, normally distributed; white noise of 1e-5 added to the output; double",
      {gain_plot("share of the ratio that remains", "slope n", logarithmic(0.01, 1, 13),
                 math::leaky_relu_noise_gain, measure)}};
}

}  // namespace

std::vector<FigureMaker> gain_figures() {
  return {{"5", "noise gain of a normalisation over ρ", normalisation_gain},
          {"6", "noise gain of a leaky rectifier over its slope", activation_gain}};
}

}  // namespace numerical_error
