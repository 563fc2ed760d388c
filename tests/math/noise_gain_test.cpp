// Compares analytic noise gains with measurements on the layers, to within 1 dB.
#include "retrace/math/noise_gain.hpp"

#include <numeric>

#include "retrace/cpu/signal_noise.hpp"
#include "retrace/layer/additive_coupling.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/invertible_batch_norm.hpp"
#include "retrace/layer/leaky_relu.hpp"
#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;
using Image = Tensor<double, Cpu>;

namespace {

constexpr Shape batch{4, 32, 32, 16};

/// Returns the share of the ratio that remains if y with white noise of deviation 1e-5 is inverted.
template <class L>
double measured_gain(L& layer, const Image& x) {
  Image y = clone(x);
  layer.forward(y, training);
  Image noisy = clone(y);
  const Values noise = normal_values(y.shape().size(), 77);
  for (Index i = 0; i < y.shape().size(); ++i)
    noisy.data()[i] += 1e-5 * noise[static_cast<std::size_t>(i)];
  const auto of_y = signal_noise(y.view(), noisy.view());
  layer.inverse(noisy, training);
  const auto of_x = signal_noise(x.view(), noisy.view());
  return (of_x.signal / of_x.noise) / (of_y.signal / of_y.noise);
}

void check_to_1_db(double measured, double expected) {
  CHECK(math::decibels(measured) == Approx(math::decibels(expected)).margin(1));
}

}  // namespace

TEST_CASE("the noise gain of a leaky rectifier matches the measurement for every slope") {
  Cpu device;
  const auto x = normal<double>(device, batch);
  for (double slope : {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0}) {
    CAPTURE(slope);
    LeakyRelu<double, Cpu> layer(slope);
    check_to_1_db(measured_gain(layer, x), math::leaky_relu_noise_gain(slope));
  }
  CHECK(math::leaky_relu_noise_gain(1) == 1);
  CHECK(math::decibels(math::leaky_relu_noise_gain(0.2)) == Approx(-8.3).margin(0.05));
}

TEST_CASE("the noise gain of a normalisation matches the measurement") {
  Cpu device;
  InvertibleBatchNorm<double, Cpu> layer(device, batch.c);
  for (unsigned seed : {1u, 2u, 3u}) {
    CAPTURE(seed);
    const Values drawn = normal_values(4 * batch.c, 100 + seed);
    std::vector<double> mean, deviation, scale, shift;
    for (std::size_t c = 0; c < 16; ++c) {
      mean.push_back(2 * drawn[4 * c]);
      deviation.push_back(std::exp(drawn[4 * c + 1]));
      layer.gamma().value.data()[c] = drawn[4 * c + 2];
      scale.push_back(std::abs(drawn[4 * c + 2]) + 0.1);
      shift.push_back(layer.beta().value.data()[c] = drawn[4 * c + 3]);
    }
    auto x = normal<double>(device, batch, seed);
    for (Index i = 0; i < batch.size(); ++i) {
      const auto c = static_cast<std::size_t>(i % batch.c);
      x.data()[i] = mean[c] + deviation[c] * x.data()[i];
    }
    check_to_1_db(measured_gain(layer, x),
                  math::normalisation_noise_gain(mean, deviation, scale, shift));
  }
}

TEST_CASE("the paper's toy normalisation matches the formula for two channels") {
  const std::vector<double> zero{0, 0}, one{1, 1};
  for (double rho : {0.01, 0.3, 1.0, 5.0}) {
    const std::vector<double> scale{1, rho};
    CHECK(math::normalisation_noise_gain(zero, one, scale, zero) ==
          Approx(math::toy_normalisation_noise_gain(rho)));
  }
}

TEST_CASE("the noise gain of a coupling matches the measurement") {
  Cpu device;
  using Conv = Conv2d<double, Cpu>;
  for (double gain : {0.3, 1.0, 3.0}) {
    CAPTURE(gain);
    Random random(3);
    const auto branch = [&] { return Conv(device, 8, 8, random, {.gain = gain}); };
    Conv f = branch();
    AdditiveCoupling<Conv> layer(std::move(f), branch());
    const auto power = [](Conv& h) {
      const Values w = values(h.weight().value);
      return math::convolution_noise_power(dot(w, w), 8);
    };
    const auto x = normal<double>(device, batch);
    auto y = clone(x);
    layer.forward(y, inference);
    const Values in = values(x), out = values(y);
    check_to_1_db(
        measured_gain(layer, x),
        math::coupling_noise_gain(dot(in, in) / dot(out, out), power(layer.f()), power(layer.g())));
  }
}
