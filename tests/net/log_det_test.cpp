#include "retrace/layer/log_det.hpp"

#include "retrace/cpu/affine.hpp"
#include "retrace/layer/affine_coupling.hpp"
#include "retrace/layer/leaky_relu.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Net = Chain<double, Cpu>;
constexpr Shape shape{2, 4, 4, 4};

AffineCoupling<Branch<double, Cpu>> coupling(Cpu& device, unsigned seed, Index half = 2) {
  Random random(seed);
  auto f = branch_of(Conv2d<double, Cpu>(device, half, 2 * half, random));
  return {std::move(f), branch_of(Conv2d<double, Cpu>(device, half, 2 * half, random)), 0.5};
}

Net flow(Cpu& device, int layers, unsigned seed = 1) {
  Net net;
  for (int i = 0; i < layers; ++i)
    net.add("coupling" + std::to_string(i), coupling(device, seed + unsigned(i)));
  return net;
}

struct Pass {
  Values log_det, dx, gradients;
};

/// Forward and backward, the latter twice as long as the former if something is recomputed.
Pass passed(Net& net, const Tensor<double, Cpu>& x) {
  LogDet<Cpu> log_det(x.device(), x.shape().n);
  log_det.gradient = -0.5;
  net.parameters().zero_gradients();
  auto y = clone(x);
  net.forward(y, training, &log_det);
  auto dy = normal<double>(x.device(), y.shape(), 3, Use::gradient);
  net.backward(y, dy, &log_det);
  Pass pass{values(log_det.value), values(dy), {}};
  for (auto& named : net.parameters().parameters)
    for (double g : values(named.parameter->gradient)) pass.gradients.push_back(g);
  return pass;
}

}  // namespace

TEST_CASE("the log-determinant of a flow is the sum over its layers, once in every mode") {
  Cpu device(1);
  const auto x = normal<double>(device, shape);
  Net net = flow(device, 4);
  Values sum(2);
  auto y = clone(x);
  for (unsigned i = 0; i < 4; ++i) {
    auto layer = coupling(device, 1 + i);
    LogDet<Cpu> one(device, 2);
    layer.forward(y, training, &one);
    for (std::size_t n = 0; n < 2; ++n) sum[n] += one.value.data()[n];
  }
  CHECK(std::abs(sum[0]) > 0.1);

  net.set_mode(Mode::stored);
  const Pass stored = passed(net, x);
  CHECK(relative_distance(stored.log_det, sum) < 1e-14);
  for (int mode = 0; mode < 5; ++mode) {
    CAPTURE(mode);
    if (mode < 4) net.set_mode(all_modes[std::size_t(mode)]);
    if (mode == 4) net.checkpoint_every(3);
    const Pass pass = passed(net, x);
    CHECK(same_bits(pass.log_det, stored.log_det));
    CHECK(relative_distance(pass.dx, stored.dx) < 1e-12);
    CHECK(relative_distance(pass.gradients, stored.gradients) < 1e-12);
  }
}

TEST_CASE("inverse takes away what forward has added, through chains in chains and poolings") {
  Cpu device(1);
  const auto x = normal<double>(device, shape);
  Net inner = flow(device, 2), net;
  net.add("inner", std::move(inner)).add("pool", ChannelPooling<double, Cpu>());
  net.add("deep", coupling(device, 8, 8));
  LogDet<Cpu> log_det(device, 2);
  auto y = clone(x);
  net.forward(y, inference, &log_det);
  CHECK(std::abs(log_det.value.data()[1]) > 0.1);
  net.inverse(y, inference, &log_det);
  CHECK(std::abs(log_det.value.data()[1]) < 1e-12);
  CHECK(relative_distance(values(y), values(x)) < 1e-12);
}

TEST_CASE("sub-images of a batch pooling count for their image") {
  Cpu device(1);
  const auto x = normal<double>(device, shape);
  Net net;
  net.add("pool", BatchPooling<double, Cpu>()).add("coupling", coupling(device, 1));
  LogDet<Cpu> both(device, 2);
  auto y = clone(x);
  net.forward(y, inference, &both);
  for (Index n = 0; n < 2; ++n) {
    LogDet<Cpu> alone(device, 1);
    auto image = clone(x.view().images(n, 1));
    net.forward(image, inference, &alone);
    CHECK(alone.value.data()[0] == both.value.data()[n]);
  }
}

TEST_CASE("a flow refuses layers without log-determinants by name, before any layer runs") {
  Cpu device(1);
  auto x = normal<double>(device, shape);
  const Values before = values(x);
  Net inner = flow(device, 1), net;
  inner.add("relu", LeakyRelu<double, Cpu>(0.5));
  net.add("first", coupling(device, 3)).add("inner", std::move(inner));
  LogDet<Cpu> log_det(device, 2);
  CHECK_THROWS_WITH(net.forward(x, training, &log_det),
                    containing("inner.relu: the layer has no log-determinant, but every layer of a "
                               "flow must preserve volumes or take a LogDet"));
  CHECK(same_bits(values(x), before));
  CHECK(log_det.value.data()[0] == 0);
  CHECK_THROWS_AS(net.inverse(x, inference, &log_det), StateError);
  net.forward(x, training);
  auto dy = clone(x, Use::gradient);
  CHECK_THROWS_AS(net.backward(x, dy, &log_det), StateError);

  Net stage;
  Random random(1);
  stage.add("conv", Conv2d<double, Cpu>(device, 4, 4, random));
  CHECK_THROWS_AS(stage.forward(x, training, &log_det), StateError);
}

TEST_CASE("a flow refuses log-determinants of another number of images") {
  Cpu device(1);
  auto x = normal<double>(device, shape);
  Net net = flow(device, 1);
  LogDet<Cpu> wrong(device, 3);
  CHECK_THROWS_WITH(net.forward(x, training, &wrong),
                    containing("the log-determinants have shape 3x1x1x1 but x is 2x4x4x4: it must "
                               "be 2x1x1x1"));
  CHECK_THROWS_AS(net.inverse(x, training, &wrong), ShapeError);
}
