// A folded network computes what it did, in less memory.
#include "retrace/net/inference.hpp"

#include "support/catch.hpp"
#include "support/nets.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

NetOptions options_of(Architecture architecture, Stream stream) {
  NetOptions options = small_options(architecture);
  options.stream = stream;
  return options;
}

/// With averages of three batches, and scales and shifts of any sign.
Net trained(Cpu& device, Architecture architecture, const NetOptions& options) {
  Net net = build<double>(device, architecture, options);
  for (unsigned seed : {1u, 2u, 3u}) {
    auto x = images(device, small_batch, seed);
    net.forward(x, preview(training));
  }
  const auto list = net.parameters();
  unsigned seed = 4;
  for (const auto& named : list.parameters)
    if (!named.parameter->decays)
      assign(named.parameter->value.view(),
             normal_values(named.parameter->value.shape().size(), seed++));
  return net;
}

/// The logits, and what it took at most to get them.
struct Inference {
  Values logits;
  Bytes peak;
};
Inference infer(Net& net, Cpu& device) {
  auto x = images(device);
  device.memory().restart_peak();
  net.forward(x, inference);
  return {values(x), device.memory().peak()};
}

}  // namespace

TEST_CASE("a folded network gives the same bits in less memory") {
  Cpu device(2);
  for (Architecture architecture : all_architectures)
    for (Stream stream : {Stream::floating, Stream::fixed32}) {
      if (stream != Stream::floating && architecture != Architecture::revnet &&
          architecture != Architecture::hybrid)
        continue;
      CAPTURE(name(architecture), name(stream));
      Net net = trained(device, architecture, options_of(architecture, stream));
      const Inference before = infer(net, device);
      {  // leaves statistics of its own in force
        auto other = images(device, small_batch, 9);
        net.forward(other, {Statistics::batch, false, false});
      }
      fold(net);
      const Inference after = infer(net, device);
      CHECK(same_bits(after.logits, before.logits));
      CHECK(after.peak[Use::parameter] <= before.peak[Use::parameter]);
      CHECK(after.peak[Use::activation] <= before.peak[Use::activation]);
      for (Use use : {Use::parameter_gradient, Use::gradient, Use::stash, Use::optimizer})
        CHECK(after.peak[use] == 0);
      fold(net);
      CHECK(same_bits(infer(net, device).logits, before.logits));
    }
  CHECK(device.memory().live() == Bytes{});
}

TEST_CASE("what has been folded neither trains nor restores") {
  Cpu device;
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    Net net = small_net(device, architecture);
    fold(net);
    auto x = images(device);
    CHECK_THROWS_WITH(net.forward(x, training), containing("folded for inference"));
    const auto list = net.parameters();
    CHECK(list.buffers.empty());
    CHECK(list.statistics.empty());
    for (const auto& named : list.parameters) CHECK(named.parameter->value.shape().size() > 0);
  }
}

TEST_CASE("a normalisation in place becomes part of the convolution behind it") {
  Cpu device;
  Net net = small_net(device, Architecture::resnet_inplace_abn);
  const auto bytes_moved = [&] {
    const Cpu::Rehearsal rehearsal(device);
    Tensor<double, Cpu> x(device, small_batch);
    net.forward(x, inference);
    return device.work().bytes;
  };
  const double before = bytes_moved();
  fold(net);
  CHECK(bytes_moved() < 0.7 * before);
}

TEST_CASE("a residual block that keeps nothing adds to its input") {
  Cpu device;
  Net net = small_net(device, Architecture::resnet);
  auto x = images(device, {16, 16, 16, 3});  // more than any convolution's workspace
  const std::size_t state = 16 * 16 * 16 * 8 * sizeof(double);
  device.memory().restart_peak();
  net.forward(x, inference);
  CHECK(device.memory().peak()[Use::activation] == 2 * state);
}

TEST_CASE("a network that is not to train is built without gradients") {
  Cpu device;
  for (Architecture architecture : all_architectures) {
    CAPTURE(name(architecture));
    NetOptions options = small_options(architecture);
    Net other = build<double>(device, architecture, options);
    const Inference expected = infer(other, device);
    device.memory().restart_peak();
    const std::size_t held = device.memory().live()[Use::parameter_gradient];
    options.trains = false;
    Net net = build<double>(device, architecture, options);
    CHECK(device.memory().live()[Use::parameter_gradient] == held);
    CHECK(same_bits(infer(net, device).logits, expected.logits));
    step(net, device);
    step(other, device);
    CHECK(same_bits(gradients(net), gradients(other)));
  }
}
