#include "retrace/onednn/convolutions.hpp"

#include <cstdlib>
#include <string>

#include "support/catch.hpp"
#include "support/conv_device.hpp"
#include "support/nets.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;
using onednn::Choice, onednn::Convolutions, onednn::Layout;

namespace retrace::test {

/// The tests of the host's convolutions, in this program too, are of oneDNN's: of one layout, or of
/// the other if RETRACE_TEST_LAYOUT says so.
ConvolutionBackend* tested_convolutions() {
  const char* layout = std::getenv("RETRACE_TEST_LAYOUT");
  static Convolutions convolutions(layout && std::string(layout) == "nhwc" ? Choice::nhwc
                                                                           : Choice::preferred);
  return &convolutions;
}

}  // namespace retrace::test

namespace {

struct Tensors {
  Tensor<float, Cpu> x, w, dw;

  Tensors(Cpu& device, Shape shape, Index outputs)
      : x(normal<float>(device, shape)),
        w(normal<float>(device, {3, 3, shape.c, outputs}, 2)),
        dw(device, w.shape()) {
    fill(dw.view(), 0.0f);
  }
};

/// y, dx and dw of one convolution, one after another.
Values all_passes(Cpu& device, Shape shape, Index outputs) {
  Tensors t(device, shape, outputs);
  Tensor<float, Cpu> y(device, with_channels(shape, outputs)), dx(device, shape);
  conv2d(y.view(), t.x.view(), t.w.view(), 1);
  conv2d_input_gradient(dx.view(), y.view(), t.w.view(), 1);
  conv2d_weight_gradient(t.dw.view(), t.x.view(), y.view(), 1);
  Values all = values(y);
  for (const Values& more : {values(dx), values(t.dw)})
    all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace

TEST_CASE("a backend computes float alone, and every pass of it") {
  Convolutions convolutions(Choice::nhwc);
  Cpu device(1), own(1);
  device.set_convolutions(&convolutions);
  const auto x = normal<double>(device, {2, 4, 4, 8}), w = normal<double>(device, {3, 3, 8, 8}, 2);
  Tensor<double, Cpu> y(device, x.shape());
  conv2d(y.view(), x.view(), w.view(), 1);
  CHECK(convolutions.choices().empty());
  const Values expected = all_passes(own, {2, 4, 4, 8}, 8);
  CHECK(relative_distance(all_passes(device, {2, 4, 4, 8}, 8), expected) < 1e-5);
  CHECK(convolutions.choices().size() == 3);
  device.set_convolutions(nullptr);
  CHECK(same_bits(all_passes(device, {2, 4, 4, 8}, 8), expected));
}

TEST_CASE("images that fill no chunk are computed as others are") {
  Cpu device(1), own(1);
  device.set_convolutions(tested_convolutions());
  const Shape shape{11, 16, 16, 16};  // chunks of 8
  CHECK(relative_distance(all_passes(device, shape, 16), all_passes(own, shape, 16)) < 1e-5);
}

TEST_CASE("what was chosen for a shape stays chosen") {
  Convolutions convolutions;  // measures
  Cpu device(2);
  device.set_convolutions(&convolutions);
  const Values first = all_passes(device, {9, 12, 12, 16}, 16);
  const auto chosen = convolutions.choices();
  CHECK(chosen.size() == 3);
  for (int again = 0; again < 5; ++again)
    CHECK(same_bits(all_passes(device, {9, 12, 12, 16}, 16), first));
  CHECK(convolutions.choices() == chosen);
}

TEST_CASE("measuring which is faster leaves no bytes on the device") {
  Convolutions convolutions;
  Cpu device(1);
  device.set_convolutions(&convolutions);
  Tensors t(device, {2, 8, 8, 16}, 16);
  Tensor<float, Cpu> y(device, {2, 8, 8, 16});
  const Bytes held = device.memory().live();
  conv2d(y.view(), t.x.view(), t.w.view(), 1);
  CHECK(device.memory().live() == held);
}

TEST_CASE("a dry device predicts the workspace of oneDNN to the byte") {
  for (Choice choice : {Choice::nhwc, Choice::preferred, Choice::fastest}) {
    Convolutions convolutions(choice);
    Cpu device(2);
    device.set_convolutions(&convolutions);
    const auto peak = [&] {
      Tensor<float, Cpu> x(device, {5, 10, 9, 12}), y(device, {5, 10, 9, 20});
      Tensor<float, Cpu> w(device, {3, 3, 12, 20}), dx(device, x.shape()), dw(device, w.shape());
      for (auto* each : {&x, &w, &dw}) fill(each->view(), 0.5f);
      device.memory().restart_peak();
      conv2d(y.view(), x.view(), w.view(), 1);
      conv2d_input_gradient(dx.view(), y.view(), w.view(), 1);
      conv2d_weight_gradient(dw.view(), x.view(), y.view(), 1);
      return device.memory().peak();
    };
    const auto predicted = [&] {
      Cpu::Rehearsal rehearsal(device);
      return peak();
    }();
    CHECK(predicted == peak());
    CHECK((choice == Choice::fastest || predicted[Use::workspace] > 0));
  }
}

TEST_CASE("a reversible network trains on oneDNN as on the own kernels") {
  Convolutions convolutions(Choice::preferred);
  const auto gradients = [&](ConvolutionBackend* backend) {
    Cpu device(2);
    device.set_convolutions(backend);
    auto net = revnet<float>(device, {{8, 16}, {1, 1}});
    auto x = normal<float>(device, {4, 8, 8, 3});
    const Values before = values(x);
    accumulate_gradients(net, x, cross_entropy(labels(4)));
    CHECK(same_bits(values(x), before));
    Values all;
    for (const auto& named : net.parameters().parameters)
      for (double value : values(named.parameter->gradient)) all.push_back(value);
    return all;
  };
  const Values own = gradients(nullptr), other = gradients(&convolutions);
  CHECK(relative_distance(other, own) < 1e-3);
  CHECK(same_bits(gradients(&convolutions), other));
  CHECK_FALSE(same_bits(own, other));
}
