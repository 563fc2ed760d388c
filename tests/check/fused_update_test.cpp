// A fused optimizer updates a parameter as soon as its gradient is complete: no layer may use the
// value afterwards in the same backward pass.
#include "retrace/flows.hpp"
#include "retrace/net/iresnet.hpp"
#include "retrace/net/transformer.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Returns dx and all gradients of a pass. If `updates`, each parameter is overwritten when its
/// gradient is complete.
std::vector<Values> gradients_of(Chain<double, Cpu> net, const Tensor<double, Cpu>& x, Mode mode,
                                 bool updates) {
  net.set_mode(mode);
  auto list = net.parameters();
  std::size_t complete = 0;
  for (auto& named : list.parameters)
    named.parameter->on_complete = [&, updates](auto& parameter) {
      ++complete;
      if (updates) fill(parameter.value.view(), 7.0);
    };
  auto y = clone(x);
  net.forward(y, training);
  auto dy = normal<double>(x.device(), y.shape(), 2, Use::gradient);
  net.backward(y, dy);
  CHECK(complete == list.parameters.size());
  std::vector<Values> all{values(dy)};
  for (const auto& named : list.parameters) all.push_back(values(named.parameter->gradient));
  return all;
}

template <class Make>
void check_network(const char* name, Make make, const Tensor<double, Cpu>& x) {
  for (const Mode mode : {Mode::stored, Mode::reversible, Mode::inverted}) {
    INFO(name << ", mode " << retrace::name(mode));
    CHECK(same_bits(gradients_of(make(), x, mode, true), gradients_of(make(), x, mode, false)));
  }
}

}  // namespace

TEST_CASE("no layer uses a parameter after its gradient is complete") {
  Cpu device(1);
  const auto images = normal<double>(device, {2, 8, 8, 3});
  const auto positions = normal<double>(device, {2, 1, 9, 16});
  const auto table = normal<double>(device, {7, 1, 1, 4});

  for (const FeedForwardKind between : {FeedForwardKind::gelu, FeedForwardKind::gated_silu})
    check_network(
        "transformer",
        [&] {
          return transformer<double>(
                     device,
                     {.tokens = 11,
                      .channels = 16,
                      .layers = 3,
                      .heads = 4,
                      .between = between,
                      .attention = {AttentionKind::full, AttentionKind::local, AttentionKind::lsh},
                      .attention_chunk = 4})
              .net;
        },
        positions);
  check_network(
      "iresnet",
      [&] {
        return iresnet<double>(device, {.channels = {4}, .blocks = {1}}, {1, 8, 8, 3});
      },
      images);
  check_network(
      "glow", [&] { return glow<double>(device, {.levels = 2, .steps = 2, .width = 6}); }, images);
  check_network(
      "spline flow",
      [&] {
        return spline_flow<double>(device, {.features = 4, .steps = 2, .width = 5, .hidden = 1});
      },
      table);
  check_network(
      "masked flow",
      [&] {
        return masked_flow<double>(device, {.features = 4, .steps = 2, .width = 5, .hidden = 1});
      },
      table);
  check_network(
      "convolutions",
      [&] {
        Blocks<double, Cpu> make(device);
        Chain<double, Cpu> net;
        net.add("stem", make.conv(3, 8)).add("block", make.coupling(8));
        net.add("average", make.average()).add("linear", make.linear(8, 5));
        return net;
      },
      images);
}
