#include "retrace/net/invertible_residual.hpp"

#include <array>
#include <cmath>

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/smooth.hpp"
#include "retrace/layer/spectral_conv2d.hpp"
#include "retrace/net/iresnet.hpp"
#include "retrace/train/step.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
using Layer_ = InvertibleResidual<T, Cpu>;

constexpr Run quiet{.statistics = Statistics::running, .keep = true};

/// Two 3x3 convolutions on images of 4 x 3, whose weights are far above the bound.
template <class T>
Layer_<T> convolutions(Cpu& device, double bound, InvertibleResidualOptions options = {}) {
  Random random(2);
  const SpectralOptions spectral{.bound = bound, .gain = 3};
  StageSequence<T, Cpu> g;
  g.add("conv0", SpectralConv2d<T, Cpu>(device, 2, 4, 4, 3, random, spectral));
  g.add("lipswish", LipSwish<T, Cpu>());
  g.add("conv1", SpectralConv2d<T, Cpu>(device, 4, 2, 4, 3, random, spectral));
  return Layer_<T>(std::move(g), options);
}
/// One hidden layer on vectors of 3.
Layer_<double> vectors(Cpu& device, InvertibleResidualOptions options) {
  Random random(2);
  const SpectralOptions spectral{.bound = 0.8, .gain = 2};
  StageSequence<double, Cpu> g;
  g.add("linear0", SpectralLinear<double, Cpu>(device, 3, 5, random, spectral));
  g.add("elu", Elu<double, Cpu>());
  g.add("linear1", SpectralLinear<double, Cpu>(device, 5, 3, random, spectral));
  return Layer_<double>(std::move(g), options);
}

/// Σ y·dy + share·Σ log det.
template <class L>
double loss(L& layer, const Tensor<double, Cpu>& x, double share) {
  auto y = clone(x);
  LogDet<Cpu> log_det(x.device(), x.shape().n);
  layer.forward(y, {.statistics = Statistics::running}, &log_det);
  double sum = dot(values(y), normal_values(x.shape().size(), 2));
  for (double each : values(log_det.value)) sum += share * each;
  return sum;
}

/// Checks dx and all parameter gradients against differences.
template <class L>
void check_gradients(L& layer, Tensor<double, Cpu> x, double share) {
  ParameterList<double, Cpu> list;
  inside::collect(layer, "", list);
  list.zero_gradients();
  auto y = clone(x), dy = normal<double>(x.device(), x.shape(), 2);
  LogDet<Cpu> log_det(x.device(), x.shape().n);
  layer.forward(y, quiet, &log_det);
  log_det.gradient = share;
  layer.backward(y, dy, &log_det);
  CHECK(relative_distance(values(y), values(x)) < 1e-5);
  const auto difference = [&](double& element) {
    const double before = element, step = 1e-5;
    element = before + step;
    const double after = loss(layer, x, share);
    element = before - step;
    const double slope = (after - loss(layer, x, share)) / (2 * step);
    element = before;
    return slope;
  };
  for (Index i = 0; i < x.shape().size(); i += 2)
    CHECK(dy.data()[i] == Approx(difference(x.data()[i])).margin(2e-6));
  for (auto& named : list.parameters) {
    CAPTURE(named.name);
    auto& parameter = *named.parameter;
    const Index last = parameter.value.shape().size() - 1;
    for (Index i : {Index{0}, last / 3, last})
      CHECK(parameter.gradient.data()[i] ==
            Approx(difference(parameter.value.data()[i])).margin(2e-6));
  }
}

/// ‖x ∗ w‖/‖x‖ of the worst x, by 2,000 iterations from another begin than the layer's own.
double largest_stretch(Cpu& device, View<const double, Cpu> w, Index height, Index width) {
  auto x = normal<double>(device, {1, height, width, w.shape().w}, 77);
  Tensor<double, Cpu> y(device, {1, height, width, w.shape().c});
  double norm = 0;
  for (int i = 0; i < 2000; ++i) {
    scale(x.view(), 1 / std::sqrt(sum_of_squares(x.view())));
    conv2d(y.view(), std::as_const(x).view(), w, 1);
    norm = std::sqrt(sum_of_squares(y.view()));
    conv2d_input_gradient(x.view(), std::as_const(y).view(), w, 1);
  }
  return norm;
}

}  // namespace

TEST_CASE("A residual layer is inverted to its tolerance in at most 20 evaluations") {
  Cpu device(1);
  for (bool accelerates : {true, false}) {
    auto layer = convolutions<float>(device, 0.8,
                                     {.inverse = {.tolerance = 1e-6, .accelerates = accelerates}});
    const auto x = normal<float>(device, {5, 4, 3, 2}, 1);
    auto y = clone(x);
    layer.forward(y, training);
    layer.inverse(y, inference);
    CAPTURE(accelerates, layer.inversion().evaluations, layer.lipschitz());
    CHECK(relative_distance(values(y), values(x)) < 1e-5);
    CHECK(layer.inversion().bound < 2e-6);
    if (accelerates) CHECK(layer.inversion().evaluations <= 20);
  }
  auto exact = convolutions<double>(device, 0.9, {.inverse = {.tolerance = 1e-12}});
  const auto x = normal<double>(device, {2, 4, 3, 2}, 1);
  auto y = clone(x);
  exact.forward(y, training);
  exact.inverse(y, inference);
  const double error = std::sqrt(2.0 * 24) * relative_distance(values(y), values(x));
  CHECK(error < 1e-10);
}

TEST_CASE("An inverse that is not found is an error with the bound that was reached") {
  Cpu device(1);
  auto layer =
      convolutions<double>(device, 0.99, {.inverse = {.tolerance = 1e-13, .most_evaluations = 3}});
  auto y = normal<double>(device, {5, 4, 3, 2}, 1);
  CHECK_THROWS_WITH(layer.inverse(y, inference),
                    containing("after 3 evaluations its relative error is at most"));
  auto z = normal<double>(device, {5, 4, 3, 2}, 1);
  z.data()[0] = std::nan("");
  CHECK_THROWS_AS(layer.inverse(z, inference), ConvergenceError);
}

TEST_CASE("The gradients of residual layers and exact log-determinants are those of differences") {
  Cpu device(1);
  for (Mode mode : {Mode::reversible, Mode::inverted}) {
    auto vector =
        vectors(device, {.inverse = {.tolerance = 1e-13}, .log_det = LogDetMethod::exact});
    vector.on_mode(mode);
    check_gradients(vector, normal<double>(device, {2, 1, 1, 3}, 1), 0.7);
    auto image = convolutions<double>(
        device, 0.7, {.inverse = {.tolerance = 1e-13}, .log_det = LogDetMethod::exact});
    image.on_mode(mode);
    check_gradients(image, normal<double>(device, {1, 4, 3, 2}, 1), 0.7);
  }
}

TEST_CASE(
    "The exact log-determinant is that of the numerical Jacobian, and the inverse's negative") {
  Cpu device(1);
  auto layer = vectors(device, {.inverse = {.tolerance = 1e-13}, .log_det = LogDetMethod::exact});
  const auto x = normal<double>(device, {1, 1, 1, 3}, 1);
  double m[3][3];
  for (Index j = 0; j < 3; ++j) {
    Values column[2];
    for (int side : {0, 1}) {
      auto y = clone(x);
      y.data()[j] += side ? 1e-5 : -1e-5;
      layer.forward(y, inference);
      column[side] = values(y);
    }
    for (std::size_t i = 0; i < 3; ++i) m[i][j] = (column[1][i] - column[0][i]) / 2e-5;
  }
  const double determinant = m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) -
                             m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
                             m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
  LogDet<Cpu> log_det(device, 1);
  auto y = clone(x);
  layer.forward(y, inference, &log_det);
  CHECK(values(log_det.value)[0] == Approx(std::log(std::abs(determinant))).margin(1e-8));
  layer.inverse(y, inference, &log_det);
  CHECK(values(log_det.value)[0] == Approx(0).margin(1e-10));
}

TEST_CASE("Roulette estimates the log-determinant and its gradient without bias") {
  Cpu device(1);
  auto exact = vectors(device, {.log_det = LogDetMethod::exact});
  auto roulette = vectors(device, {.log_det = LogDetMethod::roulette, .terms = 2});
  const auto x = normal<double>(device, {1, 1, 1, 3}, 1);
  const auto pass = [&](Layer_<double>& layer) {
    LogDet<Cpu> log_det(device, 1);
    auto y = clone(x), dy = clone(x);
    fill(dy.view(), 0.0);
    layer.forward(y, quiet, &log_det);
    log_det.gradient = 1;
    layer.backward(y, dy, &log_det);
    return std::array<double, 3>{values(log_det.value)[0], values(dy)[0], values(dy)[2]};
  };
  const auto expected = pass(exact);
  constexpr int draws = 10000;
  std::array<double, 3> sum{}, squares{};
  for (int i = 0; i < draws; ++i) {
    const auto drawn = pass(roulette);
    for (std::size_t k = 0; k < 3; ++k) {
      sum[k] += drawn[k];
      squares[k] += drawn[k] * drawn[k];
    }
  }
  for (std::size_t k = 0; k < 3; ++k) {
    const double mean = sum[k] / draws;
    const double deviation = std::sqrt((squares[k] / draws - mean * mean) / draws);
    CAPTURE(k, mean, deviation, expected[k]);
    CHECK(deviation < 0.02);
    CHECK(std::abs(mean - expected[k]) < 3 * deviation);
  }
  // A truncated series is biased, but its gradient is that of its mean.
  auto series = vectors(device, {.log_det = LogDetMethod::series, .terms = 30});
  double mean = 0;
  for (int i = 0; i < 2000; ++i) mean += pass(series)[0] / 2000;
  CHECK(mean == Approx(expected[0]).margin(0.03));
}

TEST_CASE("The Lipschitz constant stays at most the bound as weights change") {
  Cpu device(1);
  Random random(8);
  SpectralConv2d<double, Cpu> conv(device, 3, 4, 6, 5, random, {.bound = 0.7, .gain = 4});
  Tensor<double, Cpu> image(device, {1, 6, 5, 3}), out(device, {1, 6, 5, 4});
  for (int step = 0; step < 5; ++step) {
    for (Index i = 0; i < conv.weight().value.shape().size(); ++i)
      conv.weight().value.data()[i] += 0.05 * random.normal();
    conv.prepare(true);
    const double stretch = largest_stretch(device, conv.weight().value.view(), 6, 5);
    CHECK(stretch > 0.7);
    // ŵ is w with a factor, which one element shows.
    fill(image.view(), 0.0);
    image.data()[0] = 1;
    conv.tangent(out.view(), image.view(), std::as_const(image).view());
    const double factor = out.data()[0] / conv.weight().value.data()[4 * 12];
    CHECK(stretch * factor <= 0.7);
    CHECK(stretch * factor > 0.69);
    CHECK(conv.lipschitz() <= 0.7);
  }
}

TEST_CASE("Residual layers refuse what makes them no contraction") {
  Cpu device(1);
  Random random(8);
  const auto spectral = [&](double bound) {
    SpectralLinear<double, Cpu>(device, 3, 3, random, {.bound = bound});
  };
  CHECK_THROWS_WITH(spectral(1.2), containing("must be above 0 and below 1, got 1.2"));
  StageSequence<double, Cpu> g;
  g.add("linear", Linear<double, Cpu>(device, 3, 3, random));
  CHECK_THROWS_WITH(Layer_<double>(g), containing("no Lipschitz constant of 'linear' is known"));
  StageSequence<double, Cpu> identity;
  identity.add("elu", Elu<double, Cpu>());
  CHECK_THROWS_WITH(Layer_<double>(identity),
                    "InvertibleResidual: the Lipschitz constant of the branch is 1, but must be "
                    "below 1");
  auto layer = convolutions<double>(device, 0.9);
  auto other = normal<double>(device, {1, 5, 3, 2}, 1);
  CHECK_THROWS_WITH(layer.forward(other, training), containing("measured on images of 4x3"));
}

TEST_CASE("An i-ResNet has equal gradients stored and inverted, and keeps its bound") {
  Cpu device(1);
  const NetOptions options{.channels = {4, 16}, .blocks = {2, 1}, .classes = 3};
  const std::vector<std::int32_t> labels{0, 2, 1};
  const auto gradients = [&](Mode mode) {
    auto net = iresnet<double>(device, options, {1, 4, 6, 3}, 0.6);
    net.set_mode(mode);
    auto x = normal<double>(device, {3, 4, 6, 3}, 1);
    accumulate_gradients(net, x, cross_entropy(labels));
    std::size_t bounded = 0;
    for (std::size_t i = 0; i < net.size(); ++i)
      if (const auto bound = net.link(i).lipschitz()) {
        ++bounded;
        CHECK(*bound <= 0.6 * (1 + 1e-12));
        CHECK(*bound > 0);
      }
    CHECK(bounded == 3);
    Values all;
    for (auto& named : net.parameters().parameters)
      for (double each : values(named.parameter->gradient)) all.push_back(each);
    return all;
  };
  CHECK(relative_distance(gradients(Mode::inverted), gradients(Mode::stored)) < 1e-4);
  CHECK_THROWS_WITH(iresnet<double>(device, {.channels = {4, 8}, .blocks = {1, 1}}, {1, 4, 4, 3}),
                    containing("level2 of an i-ResNet must have 16 channels"));
}
