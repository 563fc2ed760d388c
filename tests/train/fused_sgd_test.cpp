// Steps inside backward: the same weights, the memory of one gradient, and what cannot be had.
#include "retrace/train/batch.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Three steps.
std::vector<Values> train(Cpu& device, Architecture architecture, const Way& each,
                          SgdOptions options) {
  Net net = small_net(device, architecture);
  each.choose(net);
  Sgd<double, Cpu> sgd(net.parameters(), options);
  for (unsigned i = 0; i < 3; ++i) {
    auto x = images(device, small_batch, i);
    if (options.fused) sgd.arm(0.05 + 0.01 * i);
    accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
    if (!options.fused) sgd.step(0.05 + 0.01 * i);
  }
  return weights(net);
}

}  // namespace

TEST_CASE("a fused optimizer gives the weights of one after backward, bit for bit") {
  Cpu device(2);
  SgdOptions apart{.momentum = 0.9, .weight_decay = 1e-3}, fused = apart;
  fused.fused = true;
  for (Architecture architecture : all_architectures)
    for (const Way& each : ways(architecture)) {
      CAPTURE(name(architecture), each.name);
      CHECK(same_bits(train(device, architecture, each, fused),
                      train(device, architecture, each, apart)));
    }
  const Way stored = way(Architecture::revnet, "stored");
  const auto unclipped = train(device, Architecture::revnet, stored, apart);
  apart.clip_each = fused.clip_each = 0.01;
  const auto clipped = train(device, Architecture::revnet, stored, fused);
  CHECK(same_bits(clipped, train(device, Architecture::revnet, stored, apart)));
  CHECK(!same_bits(clipped, unclipped));
}

TEST_CASE("a fused optimizer holds the gradient of one parameter at a time") {
  Cpu device(2);
  Net net = small_net(device, Architecture::irevnet);
  Sgd<double, Cpu> sgd(net.parameters(), {.fused = true});
  CHECK(device.memory().live()[Use::parameter_gradient] == 0);
  std::size_t largest = 0, most = 0;
  for (auto& named : net.parameters().parameters)
    largest = std::max(
        largest, sizeof(double) * static_cast<std::size_t>(named.parameter->value.shape().size()));
  net.observe([&](const Net::Visit&) {
    most = std::max(most, device.memory().live()[Use::parameter_gradient]);
  });
  device.memory().restart_peak();
  const PeakMemory predicted = peak_memory(net, device, small_batch);
  sgd.arm(0.1);
  {
    auto x = images(device);
    accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
  }
  CHECK(most == 0);  // between layers there is none
  CHECK(device.memory().peak() == predicted.bytes);
  CHECK(device.memory().peak()[Use::parameter_gradient] <= 3 * largest / 2);
  CHECK(device.memory().live()[Use::parameter_gradient] == 0);
}

TEST_CASE("the paper's i-RevNet takes 2.3 times its parameters with a fused optimizer") {
  Cpu device = Cpu::dry_device();
  auto net = irevnet<float>(device);
  const auto parameters = static_cast<double>(device.memory().live()[Use::parameter]);
  Sgd<float, Cpu> sgd(net.parameters(), {.fused = true});
  net.set_mode(Mode::reversible);
  const Bytes peak =
      peak_memory(net, device, {1, 32, 32, 3}).bytes;  // the weights are the most of it
  CHECK(static_cast<double>(peak[Use::parameter] + peak[Use::parameter_gradient] +
                            peak[Use::optimizer]) <= 2.3 * parameters);
}

TEST_CASE("what a fused optimizer cannot do is refused with a reason") {
  Cpu device;
  Net net = small_net(device, Architecture::revnet);
  const auto make = [&](SgdOptions options) { Sgd<double, Cpu>(net.parameters(), options); };
  CHECK_THROWS_WITH(make({.clip = 1, .fused = true}),
                    containing("has taken its first steps before the last gradient is known"));
  {
    Sgd<double, Cpu> sgd(net.parameters(), {.fused = true});
    const auto train = [&] {
      auto x = images(device);
      accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
    };
    CHECK_THROWS_WITH(train(), containing("no rate is known: call arm() before backward"));
    CHECK_THROWS_WITH(sgd.step(0.1), containing("steps inside backward"));
    sgd.arm(0.1);
    CHECK_NOTHROW(train());
    CHECK_THROWS_WITH(train(), containing("is complete a second time"));
    sgd.arm(0.1);
    CHECK_NOTHROW(train());
  }
  for (auto& named : net.parameters().parameters) CHECK(!named.parameter->on_complete);
  CHECK_NOTHROW(step(net, device));  // and gradients are made anew
}

TEST_CASE("a fused gradient can be looked at before its step") {
  Cpu device;
  Net net = small_net(device, Architecture::revnet);
  std::vector<std::string> seen;
  Sgd<double, Cpu> sgd(net.parameters(), {.fused = true},
                       [&](const std::string& name, const Tensor<double, Cpu>& gradient) {
                         seen.push_back(name);
                         CHECK(largest(values(gradient)) > 0);
                         if (name == "stem.weight") throw std::runtime_error("stop at " + name);
                       });
  sgd.arm(0.1);
  auto x = images(device);
  CHECK_THROWS_WITH(accumulate_gradients(net, x, cross_entropy(labels(small_batch.n))),
                    "stop at stem.weight");
  CHECK(seen.size() == net.parameters().parameters.size());
  CHECK(seen.front() == "head.linear.weight");
}

TEST_CASE("gradients are clipped by the norm of all of them, and one by one") {
  Cpu device(2);
  Parameter<double, Cpu> a(device, per_channel(2), false), b(device, per_channel(11), false);
  ParameterList<double, Cpu> list;
  list.add("a", a);
  list.add("b", b);
  const auto stepped = [&](SgdOptions options) {
    options.momentum = 0;
    assign(a.value.view(), {0, 0});
    fill(b.value.view(), 0);
    assign(a.gradient.view(), {3, 4});  // norm 5, and with b 13
    fill(b.gradient.view(), 12 / std::sqrt(11));
    Sgd<double, Cpu>(list, options).step(1);
    return std::pair(values(a.value), values(b.value).back() * std::sqrt(11));
  };
  const auto check = [&](SgdOptions options, double of_a, double of_b) {
    const auto [first, second] = stepped(options);
    CHECK(relative_distance(first, {-3 * of_a, -4 * of_a}) < 1e-15);
    CHECK(second == Approx(-12 * of_b).epsilon(1e-14));
  };
  check({}, 1, 1);
  check({.clip = 13.5}, 1, 1);
  check({.clip = 6.5}, 0.5, 0.5);
  check({.clip_each = 6}, 1, 0.5);
  check({.clip_each = 2.5}, 0.5, 2.5 / 12);
}

TEST_CASE("micro-batches give the mean of their gradients") {
  Cpu device(2);
  const CrossEntropyOfLabels criterion{{.smoothing = 0.1}};
  for (Architecture architecture : {Architecture::revnet, Architecture::hybrid}) {
    Net net = small_net(device, architecture), same = small_net(device, architecture);
    const auto batch = images(device, {6, 8, 12, 3});
    const auto all = labels(6);
    const auto load = [&](Index first, Index count) {
      return LabelledBatch<double, Cpu>{clone(batch.view().images(first, count)),
                                        {all.data() + first, all.data() + first + count}};
    };
    int completed = 0;
    for (auto& named : net.parameters().parameters)
      named.parameter->on_complete = [&](Parameter<double, Cpu>&) { ++completed; };
    const LossValue loss = accumulate_gradients(net, 6, 4, load, criterion);
    CHECK(completed == static_cast<int>(net.parameters().parameters.size()));

    auto four = load(0, 4), two = load(4, 2);
    const LossValue first = accumulate_gradients(same, four.x, criterion(four));
    std::vector<Values> expected = gradients(same);
    same.parameters().zero_gradients();
    const LossValue second = accumulate_gradients(same, two.x, criterion(two));
    const std::vector<Values> rest = gradients(same);
    for (std::size_t i = 0; i < rest.size(); ++i)
      for (std::size_t k = 0; k < rest[i].size(); ++k)
        expected[i][k] = (4 * expected[i][k] + 2 * rest[i][k]) / 6;
    CHECK(relative_distance(gradients(net), expected) < 1e-12);
    CHECK(same_bits(buffers(net), buffers(same)));
    CHECK(loss.mean() == Approx((4 * first.mean() + 2 * second.mean()) / 6).epsilon(1e-14));
    CHECK(loss.correct == first.correct + second.correct);
    CHECK(loss.count == 6);
    CHECK_THROWS_WITH(accumulate_gradients(net, 6, 0, load), containing("has to have images"));
  }
}
