// A step is compared with the same step stored, and leaves nothing behind.
#include "retrace/train/stored_comparison.hpp"

#include <sstream>

#include "retrace/cpu/signal_noise.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/train/drift_guard.hpp"
#include "retrace/train/rules/sgd.hpp"
#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// The identity, whose backward gives an input that is off by a share.
struct Drifting {
  using State = Tensor<double, Cpu>;
  using Gradient = State;
  double share;

  void forward(State&, Run) {}
  void inverse(State& y, Run) {
    for (Index i = 0; i < y.shape().size(); ++i) y.data()[i] *= 1 + share;
  }
  void backward(State& y, Gradient&) { inverse(y, training); }
  Shape output_shape(Shape x) const { return x; }
  template <class V>
  void inside(V) {}
};

Net drifting_net(Cpu& device, double share) {
  Blocks<double, Cpu> make(device, NetOptions{});
  Net net;
  net.add("stem", make.conv(3, 8)).add("drop", Dropout<double, Cpu>(0.5, /*seed=*/1));
  net.add("block1", make.coupling(8)).add("drift", Drifting{share});
  net.add("block2", make.coupling(8)).add("average", GlobalAverage<double, Cpu>());
  net.add("linear", make.linear(8, 10));
  return net;
}

}  // namespace

TEST_CASE("gradients agree with stored ones in every way, and the net is as it was") {
  Cpu device(2);
  for_every_way(device, [&](Net& net, Architecture, const Way& each) {
    step(net, device);
    const auto gradients_before = gradients(net), buffers_before = buffers(net);
    const Modes modes = net.modes();
    const Bytes live = device.memory().live();
    {
      const auto x = images(device);
      const auto comparison = compare_with_stored(net, x, cross_entropy(labels(small_batch.n)));
      CHECK(comparison.gradients.size() == net.parameters().parameters.size());
      CHECK(comparison.worst() < (each.inverts ? 1e-8 : 1e-11));
      CHECK(comparison.loss < 1e-12);
      if (each.name == "stored") CHECK(comparison.worst() == 0);
    }
    CHECK(same_bits(gradients(net), gradients_before));
    CHECK(same_bits(buffers(net), buffers_before));
    CHECK(net.modes() == modes);
    CHECK(device.memory().live() == live);
  });
}

TEST_CASE("a layer that restores a wrong input is found by the gradients below it") {
  Cpu device;
  const auto x = images(device);
  Net net = drifting_net(device, 0.01);
  const auto wrong = compare_with_stored(net, x, cross_entropy(labels(small_batch.n)));
  CHECK(wrong.loss == 0);
  CHECK(wrong.worst() > 1e-3);
  CHECK(wrong.gradients.front().parameter.starts_with("block1."));
  CHECK(wrong.gradients.back().relative == 0);
  std::ostringstream printed;
  printed << wrong;
  CHECK_THAT(printed.str(), containing("0  loss\n") && containing("  block1.f.conv0."));
  Net right = drifting_net(device, 0);
  CHECK(compare_with_stored(right, x, cross_entropy(labels(small_batch.n))).worst() < 1e-12);
}

TEST_CASE("no optimizer moves in a comparison, and an error leaves the net as it was") {
  Cpu device;
  Net net = drifting_net(device, 0.5);
  Sgd<double, Cpu> optimizer(net.parameters(), {.fused = true});
  optimizer.arm(0.1);
  const auto weights_before = weights(net);
  const auto x = images(device);
  const Modes modes = net.modes();
  compare_with_stored(net, x, cross_entropy(labels(small_batch.n)));
  CHECK(same_bits(weights(net), weights_before));
  {
    DriftGuard guard(net, {.policy = DriftPolicy::refuse, .warn_below = 60, .discard_below = 60});
    CHECK_THROWS_AS(compare_with_stored(net, x, cross_entropy(labels(small_batch.n))), DriftError);
  }
  CHECK(same_bits(weights(net), weights_before));
  CHECK(net.modes() == modes);
}
