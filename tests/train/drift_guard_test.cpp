// Drift is measured on a sample, warned of, and ended by an anchor; a void step is told apart.
#include "retrace/train/drift_guard.hpp"

#include "retrace/cpu/signal_noise.hpp"
#include "retrace/layer/leaky_relu.hpp"
#include "retrace/train/snr_probe.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Shape shape{4, 6, 5, 8};
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr DriftOptions coarse{.warn_below = 40, .discard_below = 20};

/// The identity, whose inverse is wrong by a share of every element that changes sign from one to
/// the next: 20·log₁₀(1/share) dB.
struct Drifting {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  double share;
  Values* seen = nullptr;  ///< what backward is given

  Shape output_shape(Shape x) const { return x; }
  void forward(State&, Run) {}
  void inverse(State& y, Run) { backward(y, y); }
  void backward(State& y, Gradient&) {
    if (seen) *seen = values(y);
    for (Index i = 0; i < y.shape().size(); ++i)
      y.data()[i] *= 1 + (i * 2654435761 % 7 < 3 ? share : -share);
  }
  template <class V>
  void inside(V) {}
};

Net drifting_net(std::vector<double> shares) {
  Net net;
  for (std::size_t i = 0; i < shares.size(); ++i)
    net.add("layer" + std::to_string(i), Drifting{shares[i], nullptr});
  return net;
}

/// Forward and backward; what the batch is afterwards.
Values pass(Net& net, Cpu& device) {
  auto x = normal<double>(device, shape), dy = normal<double>(device, shape, 2, Use::gradient);
  net.forward(x, training);
  net.backward(x, dy);
  return values(x);
}

/// The layer-wise net with a slope that costs all digits of double within a few blocks.
Net steep_net(Cpu& device) {
  NetOptions options = paper_options(Architecture::layerwise);
  options.channels = {8};
  options.blocks = {6};
  options.slope = 1e-4;
  options.seed = 3;
  return build<double>(device, Architecture::layerwise, options);
}

/// Reversible blocks with bottleneck branches between a stem and a head.
Chain<float, Cpu> deep_float_net(Cpu& device, Index blocks) {
  constexpr Index channels = 16;
  Blocks<float, Cpu> make(device, NetOptions{.seed = 1});
  Chain<float, Cpu> net;
  net.add("stem", make.conv(3, channels));
  for (Index i = 0; i < blocks; ++i)
    net.add("block" + std::to_string(i), make.bottleneck_coupling(channels));
  net.add("norm", make.norm(channels)).add("average", GlobalAverage<float, Cpu>());
  net.add("linear", make.linear(channels, 10));
  return net;
}

/// The gradients of a step, all parameters as one vector.
std::vector<float> all_gradients(Chain<float, Cpu>& net, Cpu& device) {
  auto x = normal<float>(device, {4, 16, 16, 3});
  auto list = net.parameters();
  list.zero_gradients();
  accumulate_gradients(net, x, cross_entropy(labels(4)));
  std::vector<float> all;
  for (const auto& named : list.parameters) {
    const auto& gradient = named.parameter->gradient;
    all.insert(all.end(), gradient.data(), gradient.data() + gradient.shape().size());
  }
  return all;
}

/// |a − b|/|b|.
double relative_error(const std::vector<float>& a, const std::vector<float>& b) {
  math::SignalNoise sums;
  for (std::size_t i = 0; i < a.size(); ++i)
    sums.add(static_cast<double>(b[i]), static_cast<double>(a[i]));
  return sums.relative_error();
}

}  // namespace

TEST_CASE("the lowest ratio of a pass is that of the sample, and nearly that of all elements") {
  Cpu device(2);
  Net net = drifting_net({0, 1e-5, 1e-7, 0});
  {
    const SnrProbe probe(net);
    pass(net, device);
    CHECK(probe.decibels("layer2") == Approx(140).margin(0.1));
    CHECK(probe.decibels("layer1") == Approx(100).margin(0.5));
    CHECK(probe.decibels("layer3") == infinity);
  }
  std::vector<Drift> heard;
  DriftGuard guard(net, {}, [&](const Drift& drift) { heard.push_back(drift); });
  pass(net, device);
  const DriftVerdict verdict = guard.verdict();
  CHECK_FALSE(verdict.discard);
  CHECK(verdict.lowest == Approx(100).margin(1));
  CHECK(verdict.layer == "layer1");
  CHECK(verdict.gradient_error() == Approx(5e-2 / std::sqrt(10)).epsilon(0.06));
  CHECK(verdict.nonfinite.empty());
  CHECK(heard.empty());
  CHECK(guard.verdict().lowest == infinity);  // asked again, it starts anew
}

TEST_CASE("below 80 dB a layer is warned of once, below 68 dB the step is void") {
  Cpu device;
  Net net = drifting_net({0, 0, 3e-4, 0});
  std::vector<Drift> heard;
  DriftGuard guard(net, {}, [&](const Drift& drift) { heard.push_back(drift); });
  pass(net, device);
  pass(net, device);
  CHECK_FALSE(guard.verdict().discard);
  REQUIRE(heard.size() == 3);  // layer2, and the two that are given what it made
  CHECK(heard[0].layer == "layer2");
  CHECK(heard[0].decibels == Approx(70.5).margin(0.5));
  CHECK_FALSE(heard[0].anchored);
  CHECK(guard.anchors().empty());

  Net worse = drifting_net({0, 0.002, 0, 0});
  DriftGuard other(worse);
  pass(worse, device);
  CHECK(other.verdict().discard);
  CHECK(other.anchors() == std::vector<std::string>{"layer1"});
}

TEST_CASE("what is not finite is reported, and makes no layer an anchor") {
  Cpu device;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (double wrong : {nan, infinity}) {
    // layer0 has drifted too, perhaps only because of the NaN.
    Net net = drifting_net({0.2, wrong, 0});
    int heard = 0;
    DriftGuard guard(net, {}, [&](const Drift&) { ++heard; });
    pass(net, device);
    const DriftVerdict verdict = guard.verdict();
    CHECK(verdict.discard);
    CHECK(verdict.nonfinite == "layer1");
    CHECK(verdict.lowest == infinity);
    CHECK(verdict.gradient_error() == infinity);
    CHECK(heard == 0);
    CHECK(guard.anchors().empty());
  }
  Net net = drifting_net({0, nan});
  const DriftGuard guard(net, {.policy = DriftPolicy::refuse});
  CHECK_THROWS_AS(pass(net, device), std::domain_error);
  CHECK_THROWS_WITH(pass(net, device), containing("layer1: ") && containing("NaN"));
}

TEST_CASE("a batch with a NaN voids its own step alone") {
  Cpu device(1);
  for (Architecture architecture : {Architecture::revnet, Architecture::layerwise}) {
    Net net = small_net(device, architecture);
    DriftGuard guard(net);
    for (double wrong : {std::numeric_limits<double>::quiet_NaN(), infinity}) {
      auto x = images(device);
      x.data()[100] = wrong;
      accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
      const DriftVerdict verdict = guard.verdict();
      CHECK(verdict.discard);
      CHECK_FALSE(verdict.nonfinite.empty());
      CHECK(guard.anchors().empty());
    }
    net.parameters().zero_gradients();
    step(net, device);
    CHECK_FALSE(guard.verdict().discard);
    CHECK(guard.anchors().empty());
  }
}

TEST_CASE("a step is void where depth takes too many digits off float's gradients") {
  Cpu device(1);
  const double limit = math::gradient_error(DriftOptions{}.discard_below);
  for (Index blocks : {10, 400}) {
    Chain<float, Cpu> net = deep_float_net(device, blocks);
    net.set_mode(Mode::stored);
    const auto stored = all_gradients(net, device);
    net.set_mode(Mode::reversible);
    std::vector<Drift> heard;
    DriftGuard guard(net, {}, [&](const Drift& drift) { heard.push_back(drift); });
    const double error = relative_error(all_gradients(net, device), stored);
    DriftVerdict verdict = guard.verdict();
    CAPTURE(blocks, error, verdict.lowest);
    CHECK(error < verdict.gradient_error());
    if (blocks == 10) {
      CHECK_FALSE(verdict.discard);
      CHECK(heard.empty());
      CHECK(error < 1e-4);
      continue;
    }
    CHECK(verdict.discard);
    CHECK(error > limit);
    // Anchors bring it back below the limit.
    int steps = 0;
    double guarded = 0;
    do {
      guarded = relative_error(all_gradients(net, device), stored);
      verdict = guard.verdict();
    } while (verdict.discard && ++steps < 10);
    CHECK_FALSE(verdict.discard);
    CHECK(guard.anchors().size() == static_cast<std::size_t>(steps) + 1);
    CHECK(guarded < limit);
    CHECK(guarded < verdict.gradient_error());
  }
}

TEST_CASE("an anchor gives its input back, and ends the noise from above") {
  Cpu device;
  Net net = drifting_net({0.05, 0.001, 0.2, 0, 0});
  DriftGuard guard(net, coarse);
  const Values x = values(normal<double>(device, shape));
  pass(net, device);
  CHECK(guard.anchors() == std::vector<std::string>{"layer2"});
  CHECK(guard.verdict().discard);
  const Bytes before = device.memory().live();
  const Values restored = pass(net, device);
  const DriftVerdict verdict = guard.verdict();
  CHECK_FALSE(verdict.discard);
  CHECK(verdict.layer == "layer0");
  CHECK(verdict.lowest == Approx(26).margin(0.5));
  CHECK(relative_distance(restored, x) < 0.06);
  CHECK(device.memory().live() == before);

  // It goes back from its own output, not from the one that noise has come to.
  Values seen;
  Net watched = drifting_net({0});
  watched.add("layer1", Drifting{0.2, &seen}).add("layer2", Drifting{0.05, nullptr});
  DriftGuard other(watched, coarse);
  pass(watched, device);
  CHECK(other.anchors() == std::vector<std::string>{"layer1"});
  CHECK(relative_distance(seen, x) > 0.01);
  CHECK(same_bits(pass(watched, device), x));
  CHECK(same_bits(seen, x));

  net.set_mode(Mode::reversible);  // ends anchors
  pass(net, device);
  CHECK(guard.verdict().discard);
}

TEST_CASE("policy refuse throws in backward, and leaves nothing behind") {
  Cpu device;
  Net net = drifting_net({0, 0.2, 0, 0});
  DriftGuard guard(net, {.policy = DriftPolicy::refuse});
  const Bytes before = device.memory().live();
  CHECK_THROWS_AS(pass(net, device), DriftError);
  CHECK_THROWS_WITH(pass(net, device), containing("layer1: ") && containing("13.9"));
  CHECK(device.memory().live() == before);
}

TEST_CASE("a guarded layer-wise net comes to the gradients of stored activations") {
  Cpu device(2);
  Net stored = steep_net(device), net = steep_net(device);
  stored.set_mode(Mode::stored);
  const StepValues expected = step(stored, device);
  CHECK(relative_distance(step(net, device).gradients, expected.gradients) > 0.1);

  DriftGuard guard(net);
  int discarded = 0;
  StepValues found;
  do {
    found = step(net, device);
    ++discarded;
  } while (guard.verdict().discard && discarded < 20);
  CHECK(discarded < 6);
  CHECK(guard.anchors().size() == static_cast<std::size_t>(discarded - 1));
  CHECK(guard.anchors().size() > 0);
  CHECK(guard.anchors().size() < 4);
  CHECK(relative_distance(found.gradients, expected.gradients) < 0.1);
}

TEST_CASE("the peak with samples and anchors is predicted to the byte") {
  Cpu device(2);
  Net net = steep_net(device);
  DriftGuard guard(net);
  const std::size_t without = peak_memory(net, device, small_batch).bytes.total();
  for (int i = 0; i < 5; ++i) {
    step(net, device);
    guard.verdict();
  }
  REQUIRE(guard.anchors().size() > 0);
  const std::vector<std::string> anchors = guard.anchors();
  const PeakMemory predicted = peak_memory(net, device, small_batch);
  CHECK(guard.anchors() == anchors);
  CHECK(guard.verdict().lowest == infinity);
  device.memory().restart_peak();
  {
    auto x = images(device);
    accumulate_gradients(net, x, cross_entropy(labels(small_batch.n)));
  }
  CHECK(device.memory().peak() == predicted.bytes);
  CHECK(predicted.bytes.total() > without);
}

TEST_CASE("the insides of inverted branches are watched, each chain on its own") {
  Cpu device(2);
  NetOptions options = small_options(Architecture::hybrid);
  options.slope = 1e-5;
  Net net = build<double>(device, Architecture::hybrid, options);
  const SnrProbe probe(net);
  step(net, device);
  double between = infinity, inside = infinity;
  for (const LayerNoise& each : probe.results()) {
    double& lowest = each.layer.find(".norm") == std::string::npos &&
                             each.layer.find(".conv") == std::string::npos
                         ? between
                         : inside;
    lowest = std::min(lowest, each.sums.decibels());
  }
  CHECK(between > inside + 20);

  DriftGuard guard(net, {.warn_below = 1000, .discard_below = (between + inside) / 2});
  step(net, device);
  CHECK(guard.verdict().discard);
  CHECK(guard.anchors().size() > 1);  // at once, in branches of different blocks
  for (const std::string& anchor : guard.anchors())
    CHECK((anchor.find(".f.") != std::string::npos || anchor.find(".g.") != std::string::npos));
}

TEST_CASE("an observer is told what the watch has measured") {
  Cpu device;
  Net net = drifting_net({0.001, 0, 0.1});
  net.set_mode(1, Mode::stored);
  std::map<std::string, std::optional<double>> told;
  const Net::Observed observed(net, [&](const Net::Visit& visit) {
    CHECK((visit.pass == Net::Pass::backward || !visit.decibels));
    told[visit.layer] = visit.decibels;
  });
  {
    const SnrProbe probe(net);
    pass(net, device);
    for (const char* layer : {"layer0", "layer2"})
      CHECK(told.at(layer) == std::optional(probe.decibels(layer)));
    CHECK(told.at("layer1") == std::nullopt);
  }
  {
    DriftGuard guard(net, {.warn_below = -infinity, .discard_below = -infinity});
    pass(net, device);
    CHECK(told.at("layer2") == std::optional(guard.verdict().lowest));
    CHECK(told.at("layer0") > told.at("layer2"));
  }
  pass(net, device);
  CHECK(told.at("layer0") == std::nullopt);  // nobody measures it any more
}

TEST_CASE("the last watch of a chain is the one that watches, until it ends") {
  Cpu device;
  Net net = drifting_net({0, 0.2});
  DriftGuard guard(net);
  {
    const DriftGuard other(net);
    pass(net, device);
    CHECK_FALSE(guard.verdict().discard);
    CHECK(other.anchors().size() == 1);
  }
  net.set_mode(Mode::reversible);
  pass(net, device);
  CHECK_FALSE(guard.verdict().discard);  // nobody watches
  const DriftGuard third(net);
  { const SnrProbe probe(net); }
  DriftGuard fourth(net);
  pass(net, device);
  CHECK(fourth.verdict().discard);
}

TEST_CASE("what is stored is not watched") {
  Cpu device;
  Net net = steep_net(device);
  net.set_mode(Mode::stored);
  DriftGuard guard(net);
  const auto stash = [&] { return device.memory().live()[Use::stash]; };
  const std::size_t before = stash();
  step(net, device);
  CHECK(guard.verdict().lowest == infinity);
  CHECK(stash() == before);
}

TEST_CASE("a probe refuses layers that it cannot measure, by name") {
  Cpu device;
  Net net = small_net(device, Architecture::revnet);
  CHECK_THROWS_WITH(SnrProbe(net, {"stem"}),
                    "SnrProbe: layer 'stem' keeps its input and reconstructs none");
  CHECK_THROWS_WITH(SnrProbe(net, {"level9"}), "SnrProbe: there is no layer 'level9'");
  SnrProbe probe(net, {"level1.block1"});
  CHECK_THROWS_WITH(probe.decibels("level1.block1"), containing("was not restored yet"));
  step(net, device);
  CHECK(probe.results().size() == 1);
  CHECK(probe.decibels("level1.block1") > 200);
  net.set_mode(Mode::stored);
  CHECK_THROWS_WITH(SnrProbe(net), containing("every layer keeps its input"));
}

TEST_CASE("a guard refuses thresholds and samples that make no sense") {
  Cpu device;
  Net net = drifting_net({0});
  CHECK_THROWS_AS(DriftGuard(net, {.warn_below = 10, .discard_below = 20}), std::invalid_argument);
  CHECK_THROWS_AS(DriftGuard(net, {.sample = 0}), std::invalid_argument);
  CHECK_THROWS_WITH(DriftGuard(net, {.sample = 513}), containing("1 to 512 values, got 513"));
}

TEST_CASE("a sample falls on all channels, whatever their number") {
  for (Index channels : {8, 40, 96, 100, 320}) {
    std::vector<int> hits(static_cast<std::size_t>(channels));
    const Index size = channels * 32 * 32 * 8;
    for (Index k = 0; k < 4 * channels; ++k) {
      const Index place = math::scattered_place(k, size);
      REQUIRE(place >= 0);
      REQUIRE(place < size);
      ++hits[static_cast<std::size_t>(place % channels)];
    }
    CAPTURE(channels);
    CHECK(std::count(hits.begin(), hits.end(), 0) <= channels / 10);
  }
}
