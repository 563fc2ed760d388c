#include "retrace/net/stage_sequence.hpp"

#include "ode/fields.hpp"
#include "retrace/layer/batch_norm.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/dropout.hpp"
#include "retrace/layer/relu.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Sequence = StageSequence<double, Cpu>;

Sequence convolutions(Cpu& device) {
  Random random(5);
  Sequence sequence;
  sequence.add("conv0", Conv2d<double, Cpu>(device, 2, 3, random));
  sequence.add("elu", Elu<double, Cpu>());
  sequence.add("linear", Linear<double, Cpu>(device, 3, 3, random));
  sequence.add("lipswish", LipSwish<double, Cpu>());
  sequence.add("conv1", Conv2d<double, Cpu>(device, 3, 2, random));
  return sequence;
}

double tangent_product(Sequence& h, const Tensor<double, Cpu>& x, const Tensor<double, Cpu>& u,
                       const Values& dw) {
  Sequence::Tape tape;
  auto y = clone(x), w = clone(x);
  h.evaluate(y.view(), x.view(), {.of_all = 0.3}, &tape);
  h.tangent(w.view(), x.view(), u.view(), tape);
  return dot(values(w), dw);
}

void check_tangent(Sequence h, Cpu& device, Shape shape) {
  auto x = normal<double>(device, shape, 1), u = normal<double>(device, shape, 2);
  const auto dw = normal<double>(device, shape, 3);
  const double step = 1e-5;

  // The tangent is the derivative along u.
  Sequence::Tape tape, tangents;
  auto w = clone(x), y = clone(x), ahead = clone(x), behind = clone(x);
  h.evaluate(y.view(), x.view(), {.of_all = 0.3}, &tape);
  h.tangent(w.view(), x.view(), u.view(), tape, &tangents);
  auto plus = clone(x), minus = clone(x);
  for (Index i = 0; i < shape.size(); ++i) {
    plus.data()[i] += step * u.data()[i];
    minus.data()[i] -= step * u.data()[i];
  }
  h.evaluate(ahead.view(), std::as_const(plus).view(), {.of_all = 0.3});
  h.evaluate(behind.view(), std::as_const(minus).view(), {.of_all = 0.3});
  for (Index i = 0; i < shape.size(); ++i)
    CHECK(w.data()[i] ==
          Approx((ahead.data()[i] - behind.data()[i]) / (2 * step)).margin(1e-8).epsilon(1e-7));

  // Its gradient with respect to x, u and the parameters is that of differences.
  auto dx = clone(x), du = clone(x);
  fill(dx.view(), 0.0);
  ParameterList<double, Cpu> list;
  h.collect("", list);
  h.tangent_gradient(x.view(), u.view(), dw.view(), dx.view(), du.view(), tape, tangents);
  const auto difference = [&](double& element) {
    const double before = element;
    element = before + step;
    const double after = tangent_product(h, x, u, values(dw));
    element = before - step;
    const double loss = (after - tangent_product(h, x, u, values(dw))) / (2 * step);
    element = before;
    return loss;
  };
  for (Index i = 0; i < shape.size(); i += 3) {
    CHECK(dx.data()[i] == Approx(difference(x.data()[i])).margin(1e-7));
    CHECK(du.data()[i] == Approx(difference(u.data()[i])).margin(1e-7));
  }
  for (auto& named : list.parameters) {
    CAPTURE(named.name);
    auto& parameter = *named.parameter;
    const Index last = parameter.value.shape().size() - 1;
    for (Index i : {Index{0}, last / 2, last})
      CHECK(parameter.gradient.data()[i] ==
            Approx(difference(parameter.value.data()[i])).margin(1e-7));
  }
}

}  // namespace

TEST_CASE("Tangents of sequences and their gradients are those of differences") {
  Cpu device(1);
  check_tangent(small_field<double>(device, 4), device, {2, 1, 1, 4});
  check_tangent(convolutions(device), device, {1, 3, 4, 2});
}

TEST_CASE("A sequence is differentiated at many points after it was evaluated at all of them") {
  Cpu device(1);
  Sequence h = convolutions(device);
  h.add("relu", Relu<double, Cpu>());
  const Shape shape{1, 3, 4, 2};
  std::vector<Tensor<double, Cpu>> x;
  for (unsigned seed : {1u, 2u, 3u}) x.push_back(normal<double>(device, shape, seed));
  const auto dy = normal<double>(device, shape, 9);
  const auto gradient = [&](const Tensor<double, Cpu>& at, Sequence::Tape& tape) {
    auto dx = clone(at);
    h.gradient(at.view(), dy.view(), dx.view(), tape);
    return values(dx);
  };
  std::vector<Sequence::Tape> tapes(3);
  auto y = clone(x[0]);
  for (std::size_t i = 0; i < 3; ++i) h.evaluate(y.view(), x[i].view(), {}, &tapes[i]);
  for (std::size_t i = 0; i < 3; ++i) {
    const Values together = gradient(x[i], tapes[i]);
    Sequence::Tape alone;
    h.evaluate(y.view(), x[i].view(), {}, &alone);
    CHECK(same_bits(together, gradient(x[i], alone)));
  }
}

TEST_CASE("A sequence refuses stages that record something, and names its stages in errors") {
  Cpu device(1);
  Sequence h;
  CHECK_THROWS_WITH(h.add("norm", BatchNorm<double, Cpu>(device, 4)),
                    containing("'norm' records or counts something"));
  CHECK_THROWS_WITH(h.add("drop", Dropout<double, Cpu>(0.5, 1)),
                    containing("'drop' records or counts something"));
  h = small_field<double>(device, 4);
  CHECK_THROWS_WITH(h.add("tanh", Tanh<double, Cpu>()), containing("there is a stage 'tanh'"));
  auto x = normal<double>(device, {2, 1, 1, 3}, 1);
  CHECK_THROWS_WITH(h.output_shape(x.shape()),
                    "linear0: Linear: x is 2x1x1x3 but must have 4 channels");
  h.add("relu", Relu<double, Cpu>());
  auto four = normal<double>(device, {2, 1, 1, 4}, 1), w = clone(four);
  Sequence::Tape tape;
  h.evaluate(w.view(), four.view(), {}, &tape);
  CHECK_THROWS_WITH(h.tangent(w.view(), four.view(), four.view(), tape),
                    containing("relu: the stage has no tangent"));
}
