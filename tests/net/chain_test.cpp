#include "retrace/net/chain.hpp"

#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/invertible_batch_norm.hpp"
#include "retrace/layer/leaky_relu.hpp"
#include "retrace/layer/relu.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Net = Chain<double, Cpu>;
constexpr Shape shape{2, 3, 5, 4};

/// norm0, relu0, norm1, relu1, …: all of it invertible.
template <class T = double>
Chain<T, Cpu> invertible_chain(Cpu& device, int pairs) {
  Chain<T, Cpu> chain;
  for (int i = 0; i < pairs; ++i)
    chain.add("norm" + std::to_string(i), InvertibleBatchNorm<T, Cpu>(device, 4))
        .add("relu" + std::to_string(i), LeakyRelu<T, Cpu>(0.5));
  return chain;
}

Conv2d<double, Cpu> conv(Cpu& device, Index in, Index out) {
  Random random(1);
  return {device, in, out, random};
}

/// conv0, relu, conv1, relu, conv2: nothing of it invertible.
Net plain_chain(Cpu& device) {
  Net chain;
  chain.add("conv0", conv(device, 4, 5)).add("relu0", Relu<double, Cpu>());
  chain.add("conv1", conv(device, 5, 3)).add("relu1", Relu<double, Cpu>());
  chain.add("conv2", conv(device, 3, 2));
  return chain;
}

}  // namespace

TEST_CASE("a chain keeps the contract of a layer in every mode") {
  const int mode = GENERATE(0, 1, 2, 3);
  CAPTURE(mode);
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    auto chain = invertible_chain<T>(device, 2);
    if (mode == 0) chain.set_mode(Mode::reversible);
    if (mode == 1) chain.set_mode(Mode::stored);
    if (mode == 2) chain.checkpoint_every(1);
    if (mode == 3) chain.checkpoint_every(3);
    return chain;
  };
  CHECK(check_layer(make, {{3, 5, 3, 4}, {1, 4, 6, 4}},
                    {.inverse = 64, .restored = 64, .agreement = 512}) == "");
}

TEST_CASE("a chain within a chain gives what one chain gives") {
  Cpu device;
  AnyLayer<double> flat = invertible_chain(device, 2);
  Net nested;
  nested.add("first", invertible_chain(device, 1)).add("second", invertible_chain(device, 1));
  AnyLayer<double> outer = std::move(nested);
  CHECK(outer.parameters().parameters[2].name == "second.norm0.gamma");
  const auto x = normal<double>(device, shape);
  CHECK(compare(pass(outer, x), pass(flat, x), 0) == "");
}

TEST_CASE("an empty chain is the identity") {
  Cpu device;
  Net net;
  const auto before = normal<double>(device, shape);
  auto x = clone(before), dx = clone(before);
  for (int interval : {0, 1}) {
    if (interval) net.checkpoint_every(1);
    net.forward(x, training);
    net.backward(x, dx);
    CHECK(same_bits(values(x), values(before)));
    CHECK(same_bits(values(dx), values(before)));
  }
  net.checkpoint_sqrt();
  CHECK_FALSE(net.reads_output());
}

TEST_CASE("inverse walks back through invertible layers and names the first that is none") {
  Cpu device;
  Net net = invertible_chain(device, 3);
  const auto before = normal<double>(device, shape);
  for (Run run : {training, inference}) {
    auto x = clone(before);
    net.forward(x, run);
    net.inverse(x, run);
    CHECK(distance_in_roundings<double>(values(x), values(before)) < 64);
  }
  net.add("relu", Relu<double, Cpu>()).add("last", LeakyRelu<double, Cpu>(0.5));
  auto x = clone(before);
  net.forward(x, training);
  CHECK_THROWS_AS(net.inverse(x, training), StateError);
  net.forward(x, training);
  CHECK_THROWS_WITH(net.inverse(x, training), "relu: Chain::inverse: the layer has no inverse");
  x = clone(before);
  net.forward(x, training, 0, 6);
  net.inverse(x, training, 0, 6);  // the layers below it have one
  CHECK(distance_in_roundings<double>(values(x), values(before)) < 64);
}

TEST_CASE("an observer sees every layer of every pass in turn, and restored inputs") {
  Cpu device;
  Net net;
  net.add("norm", InvertibleBatchNorm<double, Cpu>(device, 4))
      .add("relu", LeakyRelu<double, Cpu>(0.5));
  std::string seen;
  std::vector<Values> states;
  net.observe([&](const Net::Visit& visit) {
    seen += visit.pass == Net::Pass::forward ? '>' : visit.pass == Net::Pass::inverse ? '^' : '<';
    seen += visit.layer;
    CHECK((visit.dx != nullptr) == (visit.pass == Net::Pass::backward));
    CHECK(&visit.memory == &device.memory());
    CHECK_FALSE(visit.decibels);
    states.push_back(values(visit.x));
  });
  const auto before = normal<double>(device, shape);
  auto x = clone(before), dx = clone(before);
  net.forward(x, training);
  net.backward(x, dx);
  CHECK(seen == ">norm>relu<relu<norm");
  CHECK(relative_distance(states[2], states[0]) < 1e-14);
  CHECK(relative_distance(states[3], values(before)) < 1e-14);
  seen = "";
  net.forward(x, inference);
  net.inverse(x, inference);
  CHECK(seen == ">norm>relu^relu^norm");
  seen = "";
  {
    int visits = 0;
    const Net::Observed other(net, [&](const Net::Visit&) { ++visits; });
    net.forward(x, inference);
    CHECK(visits == 2);
  }
  CHECK(seen == "");
  net.forward(x, inference);
  CHECK(seen == ">norm>relu");
  CHECK(net.observe({}));
  net.forward(x, inference);
  CHECK(seen == ">norm>relu");
}

TEST_CASE("modes can be chosen for all layers and for one") {
  Cpu device;
  AnyLayer<double> reversible = invertible_chain(device, 3);
  Net net = invertible_chain(device, 3);
  CHECK(net.size() == 6);
  CHECK(net.name(3) == "relu1");
  CHECK(net.reads_output());
  net.set_mode(3, Mode::stored);
  AnyLayer<double> one = std::move(net);
  net = invertible_chain(device, 3);
  net.set_mode(Mode::stored);
  AnyLayer<double> stored = std::move(net);
  const auto x = normal<double>(device, shape);
  const std::size_t bytes = static_cast<std::size_t>(shape.size()) * sizeof(double);
  CHECK(kept_bytes(reversible, x) == 0);
  CHECK(kept_bytes(one, x) == bytes);
  CHECK(kept_bytes(stored, x) == 6 * bytes);
  Net other = invertible_chain(device, 1);
  CHECK_THROWS_AS(other.set_mode(2, Mode::stored), std::out_of_range);
}

TEST_CASE("modes are told again as they were: of single layers, of inner chains, of segments") {
  Cpu device;
  Net inner = invertible_chain(device, 1), net = invertible_chain(device, 2);
  inner.set_mode(1, Mode::stored);
  net.add("inner", std::move(inner)).add("conv", conv(device, 4, 4));
  net.set_mode(0, Mode::inverted);
  net.recompute(1, 3);
  const Modes before = net.modes();
  CHECK(before.inside[0].mode == Mode::inverted);
  CHECK(before.inside[1].mode == Mode::reversible);
  CHECK(before.inside[4].inside[1].mode == Mode::stored);
  CHECK(before.inside[5].mode == Mode::stored);  // it has no choice
  CHECK(before.recomputed == std::vector<Modes::Segment>{{1, 3}});

  const auto x = normal<double>(device, shape);
  const auto kept = [&] {
    auto state = clone(x);
    const Bytes live = device.memory().live();
    net.forward(state, training);
    const auto bytes = device.memory().live()[Use::stash] - live[Use::stash];
    net.abandon();
    return bytes;
  };
  const std::size_t bytes = kept();
  net.checkpoint_every(2);
  CHECK(net.modes() != before);
  CHECK(kept() != bytes);
  net.set_modes(before);
  CHECK(net.modes() == before);
  CHECK(kept() == bytes);
  CHECK_THROWS_WITH(invertible_chain(device, 1).set_modes(before),
                    "Chain::set_modes: there are modes of 6 layers for 2");
}

TEST_CASE("checkpoints keep one tensor a segment and give the stored gradients bit for bit") {
  Cpu device;
  AnyLayer<double> stored = plain_chain(device);
  const auto x = normal<double>(device, shape);
  const PassValues expected = pass(stored, x);
  for (std::size_t interval : {1u, 2u, 3u, 5u, 9u}) {
    CAPTURE(interval);
    Net net = plain_chain(device);
    net.checkpoint_every(interval);
    AnyLayer<double> layer = std::move(net);
    CHECK(compare(pass(layer, x), expected, 0) == "");
    CHECK(check_repeats(layer, x) == "");
    // Pixels times channels of what is kept: checkpoints, then what the last segment stores.
    const std::size_t channels = interval == 1   ? (4 + 5 + 5 + 3) + 3
                                 : interval == 2 ? (4 + 5) + 3
                                 : interval == 3 ? 4 + (3 + 3)
                                                 : 4 + 5 + 5 + 3 + 3;
    CHECK(kept_bytes(layer, x) == 30 * channels * sizeof(double));
  }
  Net net = plain_chain(device);
  CHECK_THROWS_WITH(net.checkpoint_every(0), "Chain::checkpoint_every: interval must be > 0");
  net.checkpoint_sqrt();  // √5: 2
  AnyLayer<double> layer = std::move(net);
  CHECK(kept_bytes(layer, x) == 30 * 12 * sizeof(double));
}

TEST_CASE("a mode ends checkpointing") {
  Cpu device;
  Net net = plain_chain(device);
  net.checkpoint_every(2);
  net.set_mode(Mode::stored);
  AnyLayer<double> layer = std::move(net);
  CHECK(kept_bytes(layer, normal<double>(device, shape)) == 30 * 20 * sizeof(double));
}

TEST_CASE("backward without a forward that keeps is refused, by name, and leaves nothing") {
  Cpu device;
  for (std::size_t interval : {0u, 2u}) {
    CAPTURE(interval);
    Net net = plain_chain(device);
    if (interval) net.checkpoint_every(interval);
    const Bytes before = device.memory().live();
    {
      auto x = normal<double>(device, shape), dy = normal<double>(device, {2, 3, 5, 2});
      CHECK_THROWS_WITH(net.backward(x, dy), containing("Chain::backward: no pass is open"));
      net.forward(x, training);
      x = normal<double>(device, shape);
      net.forward(x, inference);
      CHECK_THROWS_AS(net.backward(x, dy), StateError);
      x = normal<double>(device, shape);
      net.forward(x, training);
      net.backward(x, dy);
      CHECK_THROWS_AS(net.backward(x, dy), StateError);
      CHECK(dy.shape() == shape);
    }
    CHECK(device.memory().live() == before);
  }
}

TEST_CASE("what a pass kept is dropped by abandon and by an error, and the next pass is right") {
  Cpu device;
  const auto x = normal<double>(device, shape);
  AnyLayer<double> expected = plain_chain(device);
  for (std::size_t interval : {0u, 1u, 2u}) {
    CAPTURE(interval);
    Net net = plain_chain(device);
    if (interval) net.checkpoint_every(interval);
    const Bytes before = device.memory().live();
    {
      auto state = clone(x);
      net.forward(state, training);
    }
    CHECK(device.memory().live() != before);
    net.abandon();
    CHECK(device.memory().live() == before);
    {
      auto state = clone(x);
      net.forward(state, training);
      auto wrong = normal<double>(device, {2, 3, 4, 2});
      CHECK_THROWS_AS(net.backward(state, wrong), ShapeError);
    }
    CHECK(device.memory().live() == before);
    {
      auto state = clone(x);
      int calls = 0;
      net.observe([&](const Net::Visit&) {
        if (++calls == 4) throw std::runtime_error("enough");
      });
      CHECK_THROWS_WITH(net.forward(state, training), "enough");
      net.observe({});
    }
    CHECK(device.memory().live() == before);
    AnyLayer<double> layer = std::move(net);
    CHECK(compare(pass(layer, x), pass(expected, x), 0) == "");
  }
}

TEST_CASE("an error in a layer says where the chain was") {
  Cpu device;
  Net inner;
  inner.add("conv0", conv(device, 4, 5));
  Net net;
  net.add("level1", std::move(inner));
  auto x = normal<double>(device, shape);
  device.memory().set_limit(device.memory().live().total() + 10);
  CHECK_THROWS_WITH(net.forward(x, training), containing("level1.conv0: out of memory"));
  CHECK(device.memory().place() == "");
}
