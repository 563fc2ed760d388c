#include "retrace/net/flows.hpp"

#include "retrace/cpu/flow_maps.hpp"
#include "retrace/cpu/prior.hpp"
#include "retrace/net/flow_sampling.hpp"
#include "retrace/train/loss/negative_log_likelihood.hpp"
#include "retrace/train/step.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape shape{3, 8, 8, 3};
constexpr GlowOptions small{.levels = 2, .steps = 2, .width = 6};

Tensor<double, Cpu> images(Cpu& device, Shape of = shape) {
  auto x = normal<double>(device, of, 4);
  scale(x.view(), 0.1);
  return x;
}

/// Moves all parameters, so that no branch is 0.
template <class T>
void shake(Chain<T, Cpu>& net) {
  unsigned seed = 50;
  for (auto& named : net.parameters().parameters) {
    auto noise = normal<T>(named.parameter->value.device(), named.parameter->value.shape(), ++seed);
    scale(noise.view(), 0.05);
    add(named.parameter->value.view(), std::as_const(noise).view());
  }
}

std::vector<Values> gradients_of(Chain<double, Cpu>& net, const Tensor<double, Cpu>& data) {
  net.parameters().zero_gradients();
  auto x = clone(data);
  accumulate_gradients(net, x, negative_log_likelihood({.bins = 256}));
  std::vector<Values> all{values(x)};
  for (auto& named : net.parameters().parameters) all.push_back(values(named.parameter->gradient));
  return all;
}

}  // namespace

TEST_CASE("Glow has the same gradients reversible, checkpointed and stored") {
  Cpu device(1);
  auto net = glow<double>(device, small);
  const auto x = images(device);
  gradients_of(net, x);  // initialises ActNorm
  shake(net);
  net.set_mode(Mode::stored);
  const auto stored = gradients_of(net, x);
  for (int mode = 1; mode < 5; ++mode) {
    CAPTURE(mode);
    if (mode < 4)
      net.set_mode(all_modes[std::size_t(mode)]);
    else
      net.checkpoint_every(3);
    const auto other = gradients_of(net, x);
    for (std::size_t i = 0; i < stored.size(); ++i)
      CHECK(relative_distance(other[i], stored[i]) < 1e-9);
  }
}

TEST_CASE("the latents of samples of Glow are those that were drawn, at every depth") {
  Cpu device(1);
  for (int steps : {1, 4}) {
    auto net = glow<double>(device, {.levels = 2, .steps = steps, .width = 6});
    auto x = images(device);
    net.forward(x, training);
    net.abandon();
    shake(net);
    const auto z = prior_sample<double>(device, shape, {.temperature = 0.7, .seed = 9});
    auto back = sample(net, device, shape, {.temperature = 0.7, .seed = 9});
    net.forward(back, inference);
    CHECK(relative_distance(values(back), values(z)) < 1e-10);
  }
}

TEST_CASE("the memory of a step of Glow does not grow with its steps") {
  Cpu device(1);
  std::size_t peaks[2];
  for (int i = 0; i < 2; ++i) {
    auto net = glow<float>(device, {.levels = 2, .steps = i == 0 ? 4 : 64, .width = 32});
    const auto peak = peak_memory(net, device, {4, 32, 32, 3}, negative_log_likelihood());
    peaks[i] =
        peak.bytes.total() - peak.bytes[Use::parameter] - peak.bytes[Use::parameter_gradient];
  }
  CHECK(double(peaks[1]) / double(peaks[0]) < 1.01);
}

TEST_CASE("the loss is the negative log-density in the units that were chosen") {
  Cpu device(1);
  Chain<double, Cpu> identity_net;
  identity_net.add("pool", ChannelPooling<double, Cpu>());
  const auto data = normal<double>(device, {2, 2, 2, 1});
  const double pi = std::acos(-1.0);
  double normal_sum = 0, logistic_sum = 0;
  for (double z : values(data)) {
    normal_sum += z * z / 2 + std::log(2 * pi) / 2;
    logistic_sum += z + 2 * std::log1p(std::exp(-z));
  }
  auto x = clone(data);
  const LossValue nats = accumulate_gradients(identity_net, x, negative_log_likelihood());
  CHECK(nats.mean() == Approx(normal_sum / 2));
  CHECK(evaluate(identity_net, x, negative_log_likelihood({.prior = Prior::logistic})).mean() ==
        Approx(logistic_sum / 2));
  for (double bins : {32.0, 256.0}) {
    x = clone(data);
    CHECK(evaluate(identity_net, x, negative_log_likelihood({.bins = bins})).mean() ==
          Approx(normal_sum / 2 / (4 * std::log(2)) + std::log2(bins)));
  }
  CHECK(bits_per_dimension(-normal_sum / 2, 4, 256) ==
        Approx(normal_sum / 2 / (4 * std::log(2)) + 8));
  CHECK_THROWS_WITH(negative_log_likelihood({.bins = 1}), containing("bins must be 0 or at least"));
}

TEST_CASE("gradients of the likelihood in micro-batches are those of the batch") {
  Cpu device(1);
  auto net = glow<double>(device, {.levels = 1, .steps = 1, .width = 4});
  const auto data = images(device, {4, 4, 4, 3});
  struct Batch {
    Tensor<double, Cpu> x;
  };
  for (double bins : {0.0, 256.0}) {
    const auto loss = negative_log_likelihood({.bins = bins});
    auto x = clone(data);
    accumulate_gradients(net, x, loss);  // initialises ActNorm, so that gradients are 0
    shake(net);
    net.parameters().zero_gradients();
    x = clone(data);
    const double whole_loss = accumulate_gradients(net, x, loss).mean();
    std::vector<Values> whole;
    for (auto& named : net.parameters().parameters)
      whole.push_back(values(named.parameter->gradient));
    net.parameters().zero_gradients();
    const LossValue parts = accumulate_gradients(
        net, 4, 3,
        [&](Index first, Index count) { return Batch{clone(data.view().images(first, count))}; },
        [&](const Batch&) { return loss; });
    CHECK(parts.mean() == Approx(whole_loss).epsilon(1e-12));
    std::size_t i = 0;
    for (auto& named : net.parameters().parameters)
      CHECK(relative_distance(values(named.parameter->gradient), whole[i++]) < 1e-10);
  }
}

TEST_CASE("an interpolation begins and ends with its images") {
  Cpu device(1);
  auto net = glow<double>(device, small);
  const auto x = images(device);
  auto first = clone(x);
  net.forward(first, training);
  net.abandon();
  const auto a = clone(x.view().images(0, 1)), b = clone(x.view().images(1, 1));
  const auto between = interpolate(net, a, b, 4);
  CHECK(between.shape() == Shape{4, 8, 8, 3});
  CHECK(relative_distance(values(between.view().images(0, 1)), values(a)) < 1e-9);
  CHECK(relative_distance(values(between.view().images(3, 1)), values(b)) < 1e-9);
  CHECK_THROWS_AS(interpolate(net, a, b, 1), std::invalid_argument);
  CHECK_THROWS_AS(interpolate(net, x, x, 3), ShapeError);
}

TEST_CASE("Glow refuses images that it cannot squeeze and options that are not positive") {
  Cpu device(1);
  auto net = glow<double>(device, small);
  auto x = normal<double>(device, {1, 6, 8, 3});
  CHECK_THROWS_WITH(net.forward(x, training), containing("ChannelPooling"));
  CHECK_THROWS_WITH(glow<double>(device, {.steps = 0}),
                    containing("glow: steps must be positive, got 0"));
}
