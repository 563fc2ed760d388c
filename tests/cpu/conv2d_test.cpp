#include "retrace/cpu/conv2d.hpp"

#include "support/catch.hpp"
#include "support/conv_device.hpp"
#include "support/operations.hpp"
#include "support/reference_conv.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

constexpr Index all_channels[] = {1, 3, 8, 16, 20, 33, 64};

/// Returns the allowed error of a sum of `terms` products, in roundings of the largest result.
double allowed(Index terms) { return 4 + 2 * std::sqrt(static_cast<double>(terms)); }

/// Checks that both passes of a convolution agree with the reference on channel slices of wider
/// tensors, stored in each of the three ways, and that they change nothing else.
template <class T>
void check_conv(Cpu& device, Shape shape, Index outputs, Index kernel, Index stride) {
  CAPTURE(to_string(shape), outputs, kernel, stride, sizeof(T));
  const auto wide_x = normal<T>(device, with_channels(shape, shape.c + 5), 1);
  const auto x = wide_x.view().channels(2, shape.c);
  const auto w = normal<T>(device, {kernel, kernel, shape.c, outputs}, 2);
  const Shape y_shape = reference_conv_shape(shape, outputs, stride);
  const auto dy = normal<T>(device, with_channels(y_shape, outputs + 3), 3);
  const auto dy_slice = dy.view().channels(1, outputs);

  const auto expect = [&](const Reference& value, Index terms, auto compute) {
    double off = 0;
    bool untouched = true;
    for (Store how : {Store::set, Store::add, Store::subtract}) {
      auto wide = normal<T>(device, with_channels(value.shape, value.shape.c + 4), 4);
      const Values left = values(wide.view().channels(0, 3)),
                   right = values(wide.view().channels(value.shape.c + 3, 1));
      const auto target = wide.view().channels(3, value.shape.c);
      Values expected = values(target);
      for (std::size_t i = 0; i < expected.size(); ++i)
        expected[i] = how == Store::set   ? value.list[i]
                      : how == Store::add ? expected[i] + value.list[i]
                                          : expected[i] - value.list[i];
      compute(target, how);
      off = std::max(off, distance_in_roundings<T>(values(target), expected));
      untouched = untouched && values(wide.view().channels(0, 3)) == left &&
                  values(wide.view().channels(value.shape.c + 3, 1)) == right;
    }
    CHECK(off <= allowed(terms));
    CHECK(untouched);
  };
  expect(reference_conv(Reference(x), Reference(w.view()), stride), kernel * kernel * shape.c,
         [&](View<T, Cpu> y, Store how) { conv2d<T>(y, x, w.view(), stride, nullptr, how); });
  expect(reference_input_gradient(shape, Reference(dy_slice), Reference(w.view()), stride),
         kernel * kernel * outputs, [&](View<T, Cpu> dx, Store how) {
           conv2d_input_gradient(dx, dy_slice, w.view(), stride, how);
         });
}

}  // namespace

TEST_CASE("convolutions agree with their definition for all channel counts") {
  ConvDevice device(2);
  device.use_winograd(GENERATE(true, false));
  for (Index in : all_channels)
    for (Index out : all_channels)
      for (Index kernel : {1, 3})
        for (Index stride : {1, 2}) {
          check_conv<double>(device, {2, 3, 5, in}, out, kernel, stride);
          if (in >= 16 || out >= 16) check_conv<float>(device, {1, 5, 4, in}, out, kernel, stride);
        }
}

TEST_CASE("convolutions agree with their definition for all extents") {
  ConvDevice device(2);
  device.use_winograd(GENERATE(true, false));
  for (Index h : {1, 2, 7, 8})
    for (Index w : {1, 2, 3, 8, 11, 16, 17, 24})
      for (Index kernel : {1, 3, 5})
        for (Index stride : {1, 2}) {
          check_conv<double>(device, {1, h, w, 4}, 9, kernel, stride);
          check_conv<float>(device, {2, h, w, 4}, 17, kernel, stride);
        }
}

TEST_CASE("convolutions larger than the caches agree with their definition") {
  ConvDevice device(2);
  device.use_winograd(GENERATE(true, false));
  check_conv<float>(device, {1, 70, 66, 16}, 6, 3, 1);  // several bands per image
  check_conv<double>(device, {1, 65, 67, 16}, 5, 3, 2);
  check_conv<double>(device, {1, 3, 2, 128}, 144, 3, 1);  // several groups of output channels
}

TEST_CASE("a convolution normalises and activates its input") {
  ConvDevice device(2);
  device.use_winograd(GENERATE(true, false));
  for (Index in : {3, 4, 7, 16, 20})
    for (double slope : {0.0, 0.25, 1.0})
      for (Index stride : {1, 2}) {
        CAPTURE(in, slope, stride);
        const auto wide_x = normal<double>(device, {2, 5, 7, in + 2});
        const auto x = wide_x.view().channels(1, in);
        const auto w = normal<double>(device, {3, 3, in, 6}, 2);
        const RandomNorm<double> norm(device, in);
        const auto prologue = norm.prologue({slope});
        Tensor<double, Cpu> y(device, reference_conv_shape(x.shape(), 6, stride));
        conv2d(y.view(), x, w.view(), stride, &prologue);
        const Reference expected =
            reference_conv(norm.applied(x, {slope}), Reference(w.view()), stride);
        CHECK(distance_in_roundings<double>(values(y), expected.list) <= allowed(9 * in));
      }
}

TEST_CASE("moments measured by a convolution match a separate pass") {
  Cpu device(2);
  device.use_winograd(GENERATE(true, false));
  for (Shape shape : {Shape{3, 5, 7, 8}, Shape{60, 2, 4, 16}, Shape{1, 40, 9, 5}}) {
    CAPTURE(to_string(shape));
    const Index outputs = 70;
    const auto x = normal<double>(device, shape),
               w = normal<double>(device, {3, 3, shape.c, outputs}, 2);
    auto y = normal<double>(device, with_channels(shape, outputs), 3), expected = clone(y);
    Tensor<double, Cpu> mean(device, per_channel(outputs)), variance(device, per_channel(outputs));
    Tensor<double, Cpu> own_mean(device, mean.shape()), own_variance(device, mean.shape());
    conv2d_moments<double>(y.view(), x.view(), w.view(), 1, nullptr, Store::add, mean.view(),
                           variance.view());
    conv2d<double>(expected.view(), x.view(), w.view(), 1, nullptr, Store::add);
    channel_moments(expected.view(), own_mean.view(), own_variance.view());
    CHECK(same_bits(values(y), values(expected)));
    CHECK(relative_distance(values(mean), values(own_mean)) < 1e-13);
    CHECK(relative_distance(values(variance), values(own_variance)) < 1e-13);
  }
}

TEST_CASE("sums measured by an input gradient match a separate pass") {
  Cpu device(2);
  device.use_winograd(GENERATE(true, false));
  for (Shape shape : {Shape{3, 5, 7, 8}, Shape{60, 2, 4, 20}})
    for (Index stride : {1, 2}) {
      CAPTURE(to_string(shape), stride);
      const auto x = normal<double>(device, shape),
                 w = normal<double>(device, {3, 3, shape.c, 10}, 2);
      const auto dy = normal<double>(device, reference_conv_shape(shape, 10, stride), 3);
      const RandomNorm<double> norm(device, shape.c);
      const auto input = norm.prologue({0.25});
      Tensor<double, Cpu> dx(device, shape), expected(device, shape);
      Tensor<double, Cpu> sums(device, {1, 1, 2, shape.c}), own_sums(device, {1, 1, 2, shape.c});
      conv2d_input_gradient_sums(dx.view(), dy.view(), w.view(), stride, sums.view(), x.view(),
                                 input.norm, input.activation);
      conv2d_input_gradient(expected.view(), dy.view(), w.view(), stride);
      normalise_activate_sums(own_sums.view(), x.view(), expected.view(), input.norm,
                              input.activation);
      CHECK(same_bits(values(dx), values(expected)));
      CHECK(relative_distance(values(sums), values(own_sums)) < 1e-12);
    }
}

TEST_CASE("the bits of a convolution depend neither on threads, on the run nor on `how`") {
  ConvDevice one(1), two(2), three(3);
  const bool winograd = GENERATE(true, false);
  for (Cpu* device : {&one, &two, &three}) device->use_winograd(winograd);
  for (Index channels : {3, 16, 33}) {
    const auto result = [&](Cpu& device, Store how) {
      const auto x = normal<float>(device, {3, 9, 12, channels});
      const auto w = normal<float>(device, {3, 3, channels, channels}, 2);
      Tensor<float, Cpu> y(device, x.shape()), dx(device, x.shape());
      fill(y.view(), 0.0f);
      fill(dx.view(), 0.0f);
      conv2d<float>(y.view(), x.view(), w.view(), 1, nullptr, how);
      conv2d_input_gradient(dx.view(), x.view(), w.view(), 1, how);
      Values all = values(y), more = values(dx);
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    const Values expected = result(one, Store::set);
    CHECK(same_bits(result(one, Store::set), expected));
    CHECK(same_bits(result(two, Store::set), expected));
    CHECK(same_bits(result(three, Store::add), expected));
    Values negative = expected;
    for (double& value : negative) value = -value;
    CHECK(result(two, Store::subtract) == negative);
  }
}

TEST_CASE("a convolution of one image gives the same bits as in a batch") {
  ConvDevice device(2);
  device.use_winograd(GENERATE(true, false));
  const Index batch = 53;  // rows of tiles in several groups that split images
  const auto x = normal<float>(device, {batch, 6, 7, 20});
  const auto w = normal<float>(device, {3, 3, 20, 8}, 2);
  Tensor<float, Cpu> all(device, {batch, 6, 7, 8}), one(device, {1, 6, 7, 8});
  conv2d(all.view(), x.view(), w.view(), 1);
  for (Index image : {0, 3, 29, 52}) {
    conv2d(one.view(), x.view().images(image, 1), w.view(), 1);
    CHECK(same_bits(values(one), values(all.view().images(image, 1))));
  }
}

TEST_CASE("Winograd's algorithm can be disabled, and its error is a few times larger") {
  Cpu device(2);  // without another library
  const Index channels = 64;
  const auto x = normal<float>(device, {1, 16, 16, channels});
  const auto w = normal<float>(device, {3, 3, channels, channels}, 2);
  const Reference expected = reference_conv(Reference(x.view()), Reference(w.view()), 1);
  const auto error = [&](bool winograd) {
    device.use_winograd(winograd);
    Tensor<float, Cpu> y(device, x.shape());
    conv2d(y.view(), x.view(), w.view(), 1);
    return distance_in_roundings<float>(values(y), expected.list);
  };
  const double direct = error(false), transformed = error(true);
  CHECK(transformed != direct);
  CHECK(direct < 8);
  CHECK(transformed < 40);
  CAPTURE(direct, transformed);
  CHECK(transformed < 8 * direct);
}

TEST_CASE("a convolution's workspace does not depend on the batch") {
  ConvDevice device(2);
  std::size_t scratch[2];
  for (Index i : {0, 1}) {
    const Index images = i == 0 ? 2 : 64;
    Cpu::Rehearsal rehearsal(device);
    Tensor<float, Cpu> x(device, {images, 32, 32, 64}), y(device, {images, 32, 32, 64});
    Tensor<float, Cpu> w(device, {3, 3, 64, 64}), dw(device, {3, 3, 64, 64});
    device.memory().restart_peak();
    conv2d(y.view(), x.view(), w.view(), 1);
    conv2d_input_gradient(x.view(), y.view(), w.view(), 1);
    conv2d_weight_gradient(dw.view(), x.view(), y.view(), 1);
    scratch[i] = device.memory().peak()[Use::workspace];
  }
  CHECK(scratch[0] == scratch[1]);
  CHECK(scratch[0] <= 4u << 20);
}

TEST_CASE("a dry convolution counts its multiply-adds") {
  Cpu device = Cpu::dry_device();
  Tensor<float, Cpu> x(device, {2, 9, 7, 5}), w(device, {3, 3, 5, 11}), y(device, {2, 5, 4, 11});
  conv2d(y.view(), x.view(), w.view(), 2);
  CHECK(device.work().multiply_adds == 2 * 5 * 4 * 11 * 9 * 5);
}

TEST_CASE("a convolution accepts a batch of no images") {
  ConvDevice device(2);
  Tensor<float, Cpu> x(device, {0, 9, 7, 5}), y(device, {0, 9, 7, 11});
  const auto w = normal<float>(device, {3, 3, 5, 11});
  auto dw = clone(w);
  conv2d(y.view(), x.view(), w.view(), 1);
  conv2d_input_gradient(x.view(), y.view(), w.view(), 1);
  conv2d_weight_gradient(dw.view(), x.view(), y.view(), 1);
  CHECK(same_bits(values(dw), values(w)));
}
