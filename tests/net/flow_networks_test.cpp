// The other networks of flows: NICE, RealNVP, tables, conditions and noise.
#include "retrace/cpu/dequantise.hpp"
#include "retrace/cpu/flow_maps.hpp"
#include "retrace/cpu/prior.hpp"
#include "retrace/layer/element_map.hpp"
#include "retrace/net/flow_sampling.hpp"
#include "retrace/net/flows.hpp"
#include "retrace/net/real_nvp.hpp"
#include "retrace/net/table_flows.hpp"
#include "retrace/net/variational_dequantisation.hpp"
#include "retrace/train/loss/negative_log_likelihood.hpp"
#include "retrace/train/step.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Net = Chain<double, Cpu>;

void shake(Net& net) {
  unsigned seed = 50;
  for (auto& named : net.parameters().parameters) {
    auto noise =
        normal<double>(named.parameter->value.device(), named.parameter->value.shape(), ++seed);
    scale(noise.view(), 0.05);
    add(named.parameter->value.view(), std::as_const(noise).view());
  }
}

struct Pass {
  double loss;
  Values x, gradients;
};

Pass passed(Net& net, const Tensor<double, Cpu>& data) {
  net.parameters().zero_gradients();
  auto x = clone(data);
  Pass pass{accumulate_gradients(net, x, negative_log_likelihood()).mean(), values(x), {}};
  for (auto& named : net.parameters().parameters)
    for (double g : values(named.parameter->gradient)) pass.gradients.push_back(g);
  return pass;
}

/// Inverse undoes forward, log-determinants are those of the Jacobian, and all modes agree.
void check_network(Cpu& device, Net net, Shape shape) {
  auto data = normal<double>(device, shape, 4);
  passed(net, data);  // initialises ActNorm
  shake(net);
  AnyLayer<double> layer = net.clone();
  CHECK(check_inverse(layer, data, 1e6) == "");
  CHECK(contract::check_log_det(layer, data) == "");
  net.set_mode(Mode::stored);
  const Pass stored = passed(net, data);
  for (Mode mode : {Mode::reversible, Mode::inverted, Mode::chunked}) {
    net.set_mode(mode);
    const Pass pass = passed(net, data);
    CHECK(pass.loss == Approx(stored.loss).epsilon(1e-12));
    CHECK(relative_distance(pass.x, stored.x) < 1e-9);
    CHECK(relative_distance(pass.gradients, stored.gradients) < 1e-9);
  }
}

}  // namespace

TEST_CASE("RealNVP is a flow in every mode, of one channel too") {
  Cpu device(1);
  check_network(device,
                real_nvp<double>(device, {.channels = 1, .levels = 2, .couplings = 2, .width = 4}),
                {2, 4, 4, 1});
}
TEST_CASE("NICE is a flow in every mode, of an odd number of elements too") {
  Cpu device(1);
  check_network(device, nice<double>(device, {.image = {1, 3, 3, 1}, .width = 5, .hidden = 2}),
                {2, 3, 3, 1});
}
TEST_CASE("a spline flow for tables is a flow in every mode, of one column too") {
  Cpu device(1);
  for (Index columns : {1, 3})
    check_network(
        device,
        spline_flow<double>(device, {.features = columns, .steps = 2, .width = 5, .hidden = 1}),
        {6, 1, 1, columns});
}
TEST_CASE("a masked flow is a flow in every mode") {
  Cpu device(1);
  check_network(device,
                masked_flow<double>(device, {.features = 3, .steps = 2, .width = 5, .hidden = 1}),
                {6, 1, 1, 3});
}

TEST_CASE("a conditional Glow depends on its condition, in its density and its samples") {
  Cpu device(1);
  for (bool image : {false, true}) {
    const auto condition = std::make_shared<Condition<double, Cpu>>();
    auto net = glow<double>(device,
                            {.channels = 1,
                             .levels = 2,
                             .steps = 1,
                             .width = 4,
                             .condition_channels = 2,
                             .condition_is_image = image},
                            condition);
    condition->set(normal<double>(device, image ? Shape{2, 8, 8, 2} : Shape{2, 1, 1, 2}));
    const auto x = normal<double>(device, {2, 8, 8, 1});
    passed(net, x);
    shake(net);
    const double before = passed(net, x).loss;
    const auto samples = sample(net, device, {2, 8, 8, 1});
    CHECK(passed(net, x).loss == before);
    condition->set(normal<double>(device, image ? Shape{2, 8, 8, 2} : Shape{2, 1, 1, 2}, 7));
    CHECK(passed(net, x).loss != before);
    CHECK_FALSE(same_bits(values(sample(net, device, {2, 8, 8, 1})), values(samples)));
  }
}

TEST_CASE("uniform noise stays within its bin, differs by the pass, and is removed exactly") {
  Cpu device(1);
  Tensor<float, Cpu> x(device, {1, 16, 16, 1});
  for (Index v = 0; v < 256; ++v) x.data()[v] = float(v) / 256;
  const Values integers = values(x);
  Dequantisation<float, Cpu> layer;
  Values before;
  int pass = 0;
  for (Run run : {training, training, inference, inference}) {
    layer.forward(x, run);
    const Values noisy = values(x);
    for (std::size_t v = 0; v < 256; ++v) CHECK(std::floor(noisy[v] * 256) == double(v));
    CHECK(same_bits(noisy, before) == (++pass == 4));  // inference repeats its noise
    before = noisy;
    layer.inverse(x, run);
    CHECK(same_bits(values(x), integers));
  }
  CHECK_THROWS_WITH((Dequantisation<float, Cpu>(1)), containing("bins must be an integer from 2"));
}

TEST_CASE("variational noise bounds the likelihood of integers and has right gradients") {
  Cpu device(1);
  const auto make = [&] {
    Net net, scale;
    net.add("noise", variational_dequantisation<double>(
                         device, {.channels = 1, .bins = 8, .couplings = 2, .width = 4}));
    scale.add("norm", ElementScale<double, Cpu>(device, {1, 2, 2, 1}));
    net.add(std::move(scale));
    return net;
  };
  Tensor<double, Cpu> data(device, {3, 2, 2, 1});
  for (Index i = 0; i < 12; ++i) data.data()[i] = double(i % 8) / 8;
  const auto loss_at = [&](std::size_t parameter, Index element, double by) {
    auto net = make();
    shake(net);
    auto list = net.parameters();
    list.parameters[parameter].parameter->value.data()[element] += by;
    return passed(net, data).loss;
  };
  auto net = make();
  shake(net);
  const Pass pass = passed(net, data);
  CHECK(same_bits(pass.x, values(data)));
  std::size_t at = 0;
  auto list = net.parameters();
  for (std::size_t p = 0; p < list.parameters.size(); ++p) {
    const Values gradient = values(list.parameters[p].parameter->gradient);
    const double slope = (loss_at(p, 0, 1e-5) - loss_at(p, 0, -1e-5)) / 2e-5;
    CHECK(gradient[0] == Approx(slope).epsilon(1e-5).margin(1e-7));
    at += gradient.size();
  }
  CHECK(at == pass.gradients.size());
  for (Mode mode : {Mode::stored, Mode::inverted, Mode::chunked}) {
    auto other = make();
    shake(other);
    other.set_mode(mode);
    const Pass again = passed(other, data);
    CHECK(again.loss == Approx(pass.loss).epsilon(1e-12));
    CHECK(relative_distance(again.gradients, pass.gradients) < 1e-9);
  }
  auto recomputing = make();
  shake(recomputing);
  recomputing.recompute(0, 2);
  CHECK(relative_distance(passed(recomputing, data).gradients, pass.gradients) < 1e-9);
}

TEST_CASE("a chain takes the layers of another one, but no name twice") {
  Cpu device(1);
  const auto scale = [&](const char* name, Index channels) {
    Net net;
    net.add(name, ElementScale<double, Cpu>(device, {1, 1, 1, channels}));
    return net;
  };
  Net net = scale("first", 3);
  net.add(scale("second", 3));
  CHECK(net.size() == 2);
  CHECK(net.name(1) == "second");
  CHECK_THROWS_WITH(net.add(scale("first", 3)), containing("there is a layer 'first' already"));
  CHECK_THROWS_WITH(net.add(scale("third", 4)), containing("third: "));
}
