#include "retrace/cpu/conv2d.hpp"
#include "support/catch.hpp"
#include "support/conv_device.hpp"
#include "support/operations.hpp"
#include "support/reference_conv.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
void check_weight_gradient(Cpu& device, Shape shape, Index outputs, Index kernel, Index stride) {
  CAPTURE(to_string(shape), outputs, kernel, stride, sizeof(T), device.threads());
  const auto wide_x = normal<T>(device, with_channels(shape, shape.c + 5), 1);
  const auto x = wide_x.view().channels(2, shape.c);
  const Shape y_shape = reference_conv_shape(shape, outputs, stride);
  const auto wide_dy = normal<T>(device, with_channels(y_shape, outputs + 3), 3);
  const auto dy = wide_dy.view().channels(1, outputs);
  auto dw = normal<T>(device, {kernel, kernel, shape.c, outputs}, 4);

  Reference expected = reference_weight_gradient(dw.shape(), Reference(x), Reference(dy), stride);
  const Values before = values(dw);
  for (std::size_t i = 0; i < before.size(); ++i) expected.list[i] += before[i];
  conv2d_weight_gradient(dw.view(), x, dy, stride);
  CHECK(distance_in_roundings<T>(values(dw), expected.list) <=
        4 + 2 * std::sqrt(static_cast<double>(y_shape.pixels())));
}

Values weight_gradient(Cpu& device, Shape shape, Index outputs) {
  const auto x = normal<double>(device, shape);
  const auto dy = normal<double>(device, with_channels(shape, outputs), 2);
  auto dw = tensor<double>(device, {3, 3, shape.c, outputs},
                           Values(static_cast<std::size_t>(9 * shape.c * outputs), 0.0));
  conv2d_weight_gradient(dw.view(), x.view(), dy.view(), 1);
  return values(dw);
}

}  // namespace

TEST_CASE("weight gradients agree with their definition for all channel counts") {
  ConvDevice device(2);
  device.use_winograd(GENERATE(true, false));
  for (Index in : {1, 3, 8, 16, 20, 33, 64})
    for (Index out : {1, 3, 8, 16, 20, 33, 64})
      for (Index kernel : {1, 3})
        for (Index stride : {1, 2}) {
          check_weight_gradient<double>(device, {3, 3, 5, in}, out, kernel, stride);
          if (in >= 16 || out >= 16)
            check_weight_gradient<float>(device, {3, 5, 4, in}, out, kernel, stride);
        }
}

TEST_CASE("weight gradients agree with their definition for all extents and threads") {
  const bool winograd = GENERATE(true, false);
  for (int threads : {1, 2, 3}) {
    ConvDevice device(threads);
    device.use_winograd(winograd);
    for (Index h : {1, 2, 7})
      for (Index w : {1, 3, 8, 17})
        for (Index kernel : {1, 3, 5})
          for (Index stride : {1, 2}) {
            check_weight_gradient<double>(device, {5, h, w, 4}, 9, kernel, stride);
            check_weight_gradient<float>(device, {2, h, w, 5}, 17, kernel, stride);
          }
  }
}

TEST_CASE("weight gradients larger than the caches agree with their definition") {
  ConvDevice device(2);
  check_weight_gradient<float>(device, {2, 70, 66, 16}, 6, 3, 1);    // several bands per image
  check_weight_gradient<double>(device, {3, 3, 2, 128}, 144, 3, 1);  // split by channel
  check_weight_gradient<float>(device, {300, 2, 2, 6}, 5, 3, 1);     // several groups of images
}

TEST_CASE("a weight gradient normalises and activates its input") {
  ConvDevice device(2);
  for (Index in : {3, 4, 7, 16, 20})
    for (double slope : {0.0, 0.25})
      for (Index stride : {1, 2}) {
        CAPTURE(in, slope, stride);
        const auto x = normal<double>(device, {2, 5, 7, in});
        const auto dy = normal<double>(device, reference_conv_shape(x.shape(), 6, stride), 2);
        const RandomNorm<double> norm(device, in);
        const auto prologue = norm.prologue({slope});
        Tensor<double, Cpu> dw(device, {3, 3, in, 6});
        fill(dw.view(), 0.0);
        conv2d_weight_gradient(dw.view(), x.view(), dy.view(), stride, &prologue);
        const Reference expected = reference_weight_gradient(
            dw.shape(), norm.applied(x.view(), {slope}), Reference(dy.view()), stride);
        CHECK(distance_in_roundings<double>(values(dw), expected.list) <= 32);
      }
}

TEST_CASE("weight gradients repeat bit for bit, and differ little between thread counts") {
  ConvDevice one(1), two(2), same(2);
  for (Index outputs : {5, 40}) {  // split by images, and by channels
    const Values expected = weight_gradient(two, {9, 7, 6, 10}, outputs);
    CHECK(same_bits(weight_gradient(two, {9, 7, 6, 10}, outputs), expected));
    CHECK(same_bits(weight_gradient(same, {9, 7, 6, 10}, outputs), expected));
    CHECK(relative_distance(weight_gradient(one, {9, 7, 6, 10}, outputs), expected) < 1e-12);
  }
}

TEST_CASE("a long sum in float stays accurate") {
  ConvDevice device(2);
  // A mean far from 0 gives all products one sign, for which one chain of float loses most.
  auto x = normal<float>(device, {64, 16, 16, 4}), dy = normal<float>(device, {64, 16, 16, 4}, 2);
  for (Index i = 0; i < x.shape().size(); ++i) x.data()[i] += 3, dy.data()[i] += 3;
  Tensor<float, Cpu> dw(device, {1, 1, 4, 4});
  fill(dw.view(), 0.0f);
  conv2d_weight_gradient(dw.view(), x.view(), dy.view(), 1);
  const Reference expected =
      reference_weight_gradient(dw.shape(), Reference(x.view()), Reference(dy.view()), 1);
  CHECK(distance_in_roundings<float>(values(dw), expected.list) < 32);
}
