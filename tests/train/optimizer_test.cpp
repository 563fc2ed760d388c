// Every rule beside its equations computed by hand, fused or not, and what is left alone or
// refused.
#include "retrace/train/optimizer.hpp"

#include "retrace/train/rules/adafactor.hpp"
#include "retrace/train/rules/adamw.hpp"
#include "retrace/train/rules/lion.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "retrace/train/schedule.hpp"
#include "retrace/train/weight_average.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("Sgd is momentum and weight decay as computed by hand") {
  Cpu device;
  Parameter<double, Cpu> weight(device, per_channel(2), true), scale(device, per_channel(2), false);
  assign(weight.value.view(), {1, -2});
  assign(scale.value.view(), {1, -2});
  ParameterList<double, Cpu> list;
  list.add("weight", weight);
  list.add("scale", scale);
  Sgd<double, Cpu> sgd(list, {.momentum = 0.5, .weight_decay = 0.1});
  CHECK(device.memory().live()[Use::optimizer] == 4 * sizeof(double));

  assign(weight.gradient.view(), {3, 4});
  assign(scale.gradient.view(), {3, 4});
  sgd.step(0.1);  // v = g + 0.1·w = {3.1, 3.8}; without decay {3, 4}
  CHECK(relative_distance(values(weight.value), {1 - 0.31, -2 - 0.38}) < 1e-15);
  CHECK(relative_distance(values(scale.value), {1 - 0.3, -2 - 0.4}) < 1e-15);
  CHECK(values(weight.gradient) == Values{0, 0});

  sgd.step(0.2);  // v = 0.5·v + 0.1·w = {1.55 + 0.069, 1.9 - 0.238}; {1.5, 2}
  CHECK(relative_distance(values(weight.value), {0.69 - 0.2 * 1.619, -2.38 - 0.2 * 1.662}) < 1e-15);
  CHECK(relative_distance(values(scale.value), {0.7 - 0.3, -2.4 - 0.4}) < 1e-15);
}

TEST_CASE("Nesterov's step counts a gradient for the step it will go on having") {
  Cpu device;
  Parameter<double, Cpu> weight(device, per_channel(2), true);
  assign(weight.value.view(), {1, -2});
  ParameterList<double, Cpu> list;
  list.add("weight", weight);
  Sgd<double, Cpu> sgd(list, {.momentum = 0.5, .nesterov = true, .weight_decay = 0.1});
  assign(weight.gradient.view(), {3, 4});
  sgd.step(0.1);  // v = {3.1, 3.8}, and half of it is what the next step will add
  CHECK(relative_distance(values(weight.value), {1 - 0.1 * 4.65, -2 - 0.1 * 5.7}) < 1e-15);
  sgd.step(0.2);  // slope 0.1·w = {0.0535, -0.257}, v = {1.6035, 1.643}
  CHECK(relative_distance(values(weight.value), {0.535 - 0.2 * (0.0535 + 0.80175),
                                                 -2.57 - 0.2 * (-0.257 + 0.8215)}) < 1e-15);
}

TEST_CASE("Sgd at rate 0 changes no bit of the parameters") {
  Cpu device;
  Parameter<float, Cpu> weight(device, {3, 3, 5, 7}, true);
  assign(weight.value.view(), normal_values(315, 1));
  const Values before = values(weight.value);
  ParameterList<float, Cpu> list;
  list.add("weight", weight);
  Sgd<float, Cpu> sgd(list, {.weight_decay = 0.1});
  assign(weight.gradient.view(), normal_values(315, 2));
  sgd.step(0);
  CHECK(same_bits(values(weight.value), before));
}

TEST_CASE("the one-cycle rate rises from peak/25 to the peak and falls to peak/1e5") {
  const OneCycle rate{.peak = 0.5, .steps = 1000};
  CHECK(rate(0) == Approx(0.5 / 25).epsilon(1e-14));
  CHECK(rate(300) == Approx(0.5).epsilon(1e-14));
  CHECK(rate(1000) == Approx(0.5e-5).epsilon(1e-12));
  CHECK(rate(2000) == rate(1000));
  CHECK(rate(150) == Approx((0.5 + 0.02) / 2).epsilon(1e-12));
  CHECK(rate(650) == Approx((0.5 + 0.5e-5) / 2).epsilon(1e-12));
  for (std::size_t step = 0; step < 300; ++step) CHECK(rate(step) < rate(step + 1));
  for (std::size_t step = 300; step < 1000; ++step) CHECK(rate(step) > rate(step + 1));
}

TEST_CASE("a one-cycle rate without warm-up, without fall or without steps is still a number") {
  CHECK(OneCycle{1, 10, 0}(0) == Approx(1));
  CHECK(OneCycle{1, 10, 1}(5) == Approx(0.52));
  CHECK(std::isfinite(OneCycle{1, 10, 1}(10)));
  CHECK(OneCycle{1, 0}(0) == Approx(0.04));
}

TEST_CASE("a rate rises before another schedule, and a cosine ends at its floor") {
  const WarmUp rate{9, Cosine{.peak = 1, .steps = 100, .floor = 0.1}};
  CHECK(rate(0) == Approx(0.1));
  CHECK(rate(8) == Approx(0.9));
  CHECK(rate(9) == Approx(1));
  CHECK(rate(59) == Approx(0.55));
  CHECK(rate(109) == Approx(0.1));
  CHECK(rate(1000) == Approx(0.1));
}

namespace {

/// A matrix of 2 x 3 and a vector of 3, and lists of them.
struct Two {
  Parameter<double, Cpu> weight, scale;
  ParameterList<double, Cpu> list;

  explicit Two(Cpu& device)
      : weight(device, {2, 1, 1, 3}, true), scale(device, per_channel(3), false) {
    list.add("weight", weight);
    list.add("scale", scale);
    assign(weight.value.view(), {1, -2, 3, -4, 0.5, 6});
    assign(scale.value.view(), {1, 0, -1});
  }
  void give_gradients(unsigned seed) {
    weight.accumulate([=](auto g) { assign(g, normal_values(6, seed)); });
    scale.accumulate([=](auto g) { assign(g, normal_values(3, 100 + seed)); });
  }
};

/// Three steps of an optimizer beside plain ones: reference(w, g, decays, t), both vectors of the
/// parameter, which the first call for each finds as it was.
template <class O, class Options, class Reference>
void check_rule(Options options, double rate, Reference reference) {
  Cpu device(2);
  Two two(device);
  O optimizer(two.list, options);
  Values w = values(two.weight.value), s = values(two.scale.value);
  for (int t = 1; t <= 3; ++t) {
    two.give_gradients(static_cast<unsigned>(t));
    reference(w, values(two.weight.gradient), true, t);
    reference(s, values(two.scale.gradient), false, t);
    optimizer.step(rate);
    CHECK(relative_distance(values(two.weight.value), w) < 1e-13);
    CHECK(relative_distance(values(two.scale.value), s) < 1e-13);
    CHECK(largest(values(two.weight.gradient)) == 0);
  }
}

}  // namespace

TEST_CASE("AdamW is its equations") {
  Values m[2], v[2];
  check_rule<AdamW<double, Cpu>>(
      AdamWOptions{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-3, .weight_decay = 0.1}, 0.05,
      [&](Values& w, const Values& g, bool decays, int t) {
        Values &mean = m[decays], &square = v[decays];
        mean.resize(w.size());
        square.resize(w.size());
        for (std::size_t i = 0; i < w.size(); ++i) {
          mean[i] = 0.8 * mean[i] + 0.2 * g[i];
          square[i] = 0.95 * square[i] + 0.05 * g[i] * g[i];
          const double root = std::sqrt(square[i] / (1 - std::pow(0.95, t)));
          const double decay = decays ? 0.1 * w[i] : 0;
          w[i] -= 0.05 * (mean[i] / (1 - std::pow(0.8, t)) / (root + 1e-3) + decay);
        }
      });
}

TEST_CASE("Lion is its equations") {
  Values m[2];
  check_rule<Lion<double, Cpu>>(
      LionOptions{.beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.1}, 0.05,
      [&](Values& w, const Values& g, bool decays, int) {
        Values& mean = m[decays];
        mean.resize(w.size());
        for (std::size_t i = 0; i < w.size(); ++i) {
          const double c = 0.8 * mean[i] + 0.2 * g[i];
          w[i] -= 0.05 * ((c > 0 ? 1 : c < 0 ? -1 : 0) + (decays ? 0.1 * w[i] : 0));
          mean[i] = 0.95 * mean[i] + 0.05 * g[i];
        }
      });
}

TEST_CASE("Adafactor is its equations, and keeps a row and a column") {
  Values rows[2], columns[2];
  check_rule<Adafactor<double, Cpu>>(
      AdafactorOptions{.threshold = 0.5, .weight_decay = 0.1}, 0.05,
      [&](Values& w, const Values& g, bool decays, int t) {
        const std::size_t height = w.size() / 3;
        Values &r = rows[decays], &c = columns[decays];
        r.resize(height);
        c.resize(3);
        const double beta = 1 - std::pow(t, -0.8);
        Values of_rows(height, 0.0), of_columns(3, 0.0), u(w.size());
        double mean = 0, squares = 0, size = 0;
        for (std::size_t i = 0; i < w.size(); ++i) {
          of_rows[i / 3] += g[i] * g[i] / 3;
          of_columns[i % 3] += g[i] * g[i] / static_cast<double>(height);
          size += w[i] * w[i] / static_cast<double>(w.size());
        }
        for (std::size_t i = 0; i < height; ++i) r[i] = beta * r[i] + (1 - beta) * of_rows[i];
        for (std::size_t j = 0; j < 3; ++j) c[j] = beta * c[j] + (1 - beta) * of_columns[j];
        for (double row : r) mean += row / static_cast<double>(height);
        for (std::size_t i = 0; i < w.size(); ++i) {
          u[i] = g[i] / std::sqrt(r[i / 3] * c[i % 3] / mean);
          squares += u[i] * u[i] / static_cast<double>(w.size());
        }
        for (std::size_t i = 0; i < w.size(); ++i) {
          const double decay = decays ? 0.05 * 0.1 * w[i] : 0;
          w[i] -= decay + 0.05 * std::max(1e-3, std::sqrt(size)) * u[i] /
                              std::max(1.0, std::sqrt(squares) / 0.5);
        }
      });
  Cpu device;
  Two two(device);
  const Adafactor<double, Cpu> optimizer(two.list);
  CHECK(device.memory().live()[Use::optimizer] == (2 + 3 + 1 + 3) * sizeof(double));
}

namespace {

/// Weights after three steps of a small network.
template <class O, class Options>
std::vector<Values> trained_by(Options options, bool fused) {
  Cpu device(2);
  Net net = small_net(device, Architecture::revnet);
  options.fused = fused;
  O optimizer(net.parameters(), options);
  for (unsigned i = 0; i < 3; ++i) {
    auto x = images(device, small_batch, i);
    if (fused) optimizer.arm(0.01);
    accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
    if (!fused) optimizer.step(0.01);
  }
  return weights(net);
}
template <class O, class Options>
void check_fused(Options options) {
  const auto apart = trained_by<O>(options, false);
  CHECK(same_bits(trained_by<O>(options, true), apart));
  Cpu device(2);
  Net net = small_net(device, Architecture::revnet);
  CHECK(relative_distance(apart, weights(net)) > 1e-4);
}

}  // namespace

TEST_CASE("every rule moves weights alike inside backward and after it, bit for bit") {
  check_fused<AdamW<double, Cpu>>(AdamWOptions{.weight_decay = 0.1});
  check_fused<Lion<double, Cpu>>(LionOptions{.weight_decay = 0.1});
  check_fused<Adafactor<double, Cpu>>(AdafactorOptions{.weight_decay = 0.1, .clip_each = 0.1});
}

TEST_CASE("a frozen parameter, or one without a gradient, stays as it is and keeps nothing") {
  Cpu device;
  Two two(device);
  two.weight.freeze();
  Sgd optimizer(two.list, {.momentum = 0.9, .weight_decay = 0.1});
  CHECK(device.memory().live()[Use::optimizer] == 3 * sizeof(double));
  ParameterList<double, Cpu> kept;
  optimizer.collect("momentum", kept);
  CHECK(kept.buffers.size() == 1);
  const Values weight = values(two.weight.value);
  two.give_gradients(1);
  optimizer.step(0.1);
  CHECK(same_bits(values(two.weight.value), weight));

  two.weight.unfreeze();
  two.give_gradients(2);
  optimizer.step(0.1);
  CHECK(!same_bits(values(two.weight.value), weight));
  CHECK(device.memory().live()[Use::optimizer] == 9 * sizeof(double));

  const Values before = values(two.scale.value);
  two.scale.release_gradient();
  optimizer.step(0.1);  // its velocity does not go on either
  CHECK(same_bits(values(two.scale.value), before));
  two.weight.freeze();
  optimizer.step(0.1);
  CHECK(device.memory().live()[Use::optimizer] == 3 * sizeof(double));
}

TEST_CASE("one infinite gradient is not clipped into all others") {
  Cpu device;
  for (SgdOptions options : {SgdOptions{.clip = 1}, SgdOptions{.clip_each = 1}}) {
    Two two(device);
    Sgd optimizer(two.list, options);
    two.give_gradients(1);
    two.scale.gradient.data()[1] = std::numeric_limits<double>::infinity();
    const Values weight = values(two.weight.value), gradient = values(two.weight.gradient);
    CHECK_THROWS_AS(optimizer.step(0.1), NonfiniteGradient);
    CHECK_THROWS_WITH(optimizer.step(0.1),
                      containing("the gradient of scale has no finite length"));
    CHECK(same_bits(values(two.weight.value), weight));
    CHECK(same_bits(values(two.weight.gradient), gradient));
  }
}

TEST_CASE("an optimizer takes a shared parameter once and refuses what makes no sense") {
  Cpu device;
  Two two(device);
  auto shared = two.list;
  shared.add("weight again", two.weight);
  Sgd optimizer(shared, {.momentum = 0.9});
  CHECK(optimizer.parameters().parameters.size() == 2);
  auto doubled = two.list;
  Parameter<double, Cpu> other(device, per_channel(1), true);
  doubled.add("weight", other);
  CHECK_THROWS_WITH(Sgd(doubled, {}), "Sgd: two parameters are called 'weight'");

  CHECK_THROWS_WITH(Sgd(two.list, {.momentum = 1}), containing("momentum is 1.000000"));
  CHECK_THROWS_WITH(Sgd(two.list, {.weight_decay = -1}), containing("weight_decay is -1"));
  CHECK_THROWS_WITH(Sgd(two.list, {.clip = -1}), containing("clip is -1"));
  CHECK_THROWS_WITH(AdamW(two.list, {.beta2 = 1.5}), containing("AdamW: beta2 is 1.5"));
  CHECK_THROWS_WITH(AdamW(two.list, {.epsilon = 0}), containing("epsilon is 0"));
  CHECK_THROWS_WITH(Lion(two.list, {.beta1 = -0.1}), containing("Lion: beta1 is -0.1"));
  CHECK_THROWS_WITH(Adafactor(two.list, {.threshold = 0}), containing("threshold is 0"));
  CHECK_THROWS_WITH(optimizer.step(-0.1), containing("the rate is -0.1"));
  CHECK_THROWS_WITH(optimizer.step(std::nan("")), containing("the rate is nan"));
  CHECK_THROWS_WITH(WeightAverage(two.list, 1.0), containing("decay is 1"));
}

TEST_CASE("weights are averaged, swapped in and out, and their average is saved") {
  Cpu device;
  Two two(device);
  auto running = tensor<double>(device, per_channel(2), {1, 2});
  two.list.add("running", running);
  WeightAverage average(two.list, 0.3);
  Values expected = values(two.weight.value);
  for (int t = 0; t < 4; ++t) {
    assign(two.weight.value.view(), normal_values(6, static_cast<unsigned>(t)));
    const double kept = std::min(0.3, (1.0 + t) / (10 + t));
    const Values now = values(two.weight.value);
    for (std::size_t i = 0; i < 6; ++i) expected[i] = kept * expected[i] + (1 - kept) * now[i];
    average.update();
  }
  const Values trained_weight = values(two.weight.value);
  {
    const WeightAverage<double, Cpu>::Swapped swapped(average);
    CHECK(relative_distance(values(two.weight.value), expected) < 1e-14);
    CHECK(relative_distance(values(running), {1, 2}) < 1e-14);
  }
  CHECK(same_bits(values(two.weight.value), trained_weight));
  ParameterList<double, Cpu> saved;
  average.collect("average", saved);
  CHECK(saved.buffers.size() == 3);
  CHECK(saved.buffers.front().name == "average.weight");
  CHECK(saved.numbers.front().get() == 4);
}
