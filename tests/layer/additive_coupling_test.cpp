#include "retrace/layer/additive_coupling.hpp"

#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/norm_act_conv.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// A RevNet block: two branches of `depth` normalised convolutions.
template <class T>
AdditiveCoupling<Branch<T, Cpu>> rev_block(Cpu& device, Index half, int depth = 2) {
  Random random(1);
  const auto branch = [&] {
    Branch<T, Cpu> stages;
    for (int i = 0; i < depth; ++i)
      stages.add("conv" + std::to_string(i), NormActConv<T, Cpu>(device, half, half, random));
    return stages;
  };
  auto f = branch();
  return {std::move(f), branch()};
}

/// A convolution inverted by partition.
template <class T>
AdditiveCoupling<Conv2d<T, Cpu>> invertible_conv(Cpu& device, Index half, Index kernel = 3) {
  Random random(1);
  Conv2d<T, Cpu> f(device, half, half, random, {.kernel = kernel});
  return {std::move(f), Conv2d<T, Cpu>(device, half, half, random, {.kernel = kernel})};
}

const std::vector<Shape> shapes{{3, 5, 3, 10}, {1, 4, 6, 10}};

}  // namespace

TEST_CASE("a RevNet block keeps the contract of a layer") {
  const Mode mode = GENERATE(Mode::reversible, Mode::stored, Mode::inverted, Mode::chunked);
  const int depth = GENERATE(1, 2, 3);
  CAPTURE(mode, depth);
  const auto make = [=]<class T>(Cpu& device) {
    AdditiveCoupling layer = rev_block<T>(device, 5, depth);
    inside::set_mode(layer, mode);
    inside::set_chunk(layer, 1);
    return AnyLayer<T>(std::move(layer));
  };
  CHECK(check_layer(make, shapes,
                    {.inverse = 16,
                     .restored = 16,
                     .agreement = 512,
                     .added = mode == Mode::chunked ? 16.0 : 0}) == "");
}

TEST_CASE("an invertible convolution keeps the contract of a layer") {
  const Mode mode = GENERATE(Mode::reversible, Mode::stored);
  const Index kernel = GENERATE(1, 3);
  CAPTURE(mode, kernel);
  const auto make = [=]<class T>(Cpu& device) {
    AnyLayer<T> layer = invertible_conv<T>(device, 5, kernel);
    layer.set_mode(mode);
    return layer;
  };
  CHECK(check_layer(make, {{3, 5, 3, 10}, {1, 4, 6, 10}, {1, 1, 1, 10}},
                    {.inverse = 16, .restored = 16, .agreement = 64}) == "");
}

TEST_CASE("a coupling is y1 = x1 + F(x2), y2 = x2 + G(y1)") {
  Cpu device;
  auto layer = invertible_conv<double>(device, 3, 1);
  const auto w_f = values(layer.f().weight().value), w_g = values(layer.g().weight().value);
  auto x = normal<double>(device, {2, 3, 4, 6});
  const Values before = values(x);
  layer.forward(x, inference);
  const auto product = [](const Values& w, const double* in, std::size_t k) {
    return in[0] * w[k] + in[1] * w[3 + k] + in[2] * w[6 + k];
  };
  Values expected = before;
  for (std::size_t at = 0; at < expected.size(); at += 6) {
    double *y1 = &expected[at], *y2 = y1 + 3;
    for (std::size_t k = 0; k < 3; ++k) y1[k] += product(w_f, y2, k);
    Values g(3);
    for (std::size_t k = 0; k < 3; ++k) g[k] = product(w_g, y1, k);
    for (std::size_t k = 0; k < 3; ++k) y2[k] += g[k];
  }
  CHECK(relative_distance(values(x), expected) < 1e-15);
}

TEST_CASE("a coupling in mode stored gives the gradients of mode reversible") {
  Cpu device;
  AnyLayer<double> layer = rev_block<double>(device, 8);
  randomise(layer);
  const auto x = normal<double>(device, {2, 5, 4, 16});
  const PassValues reversible = pass(layer, x);
  layer.set_mode(Mode::stored);
  PassValues stored = pass(layer, x);
  stored.buffers = reversible.buffers;  // two steps have passed
  CHECK(compare(reversible, stored, 1e-13) == "");
  CHECK(same_bits(stored.x, values(x)));
}

TEST_CASE("a coupling keeps nothing, and in mode stored what its branches need") {
  Cpu device;
  const auto x = normal<float>(device, {2, 5, 4, 16});
  const std::size_t half = 2 * 5 * 4 * 8 * sizeof(float);
  AnyLayer<float> block = rev_block<float>(device, 8), conv = invertible_conv<float>(device, 8);
  CHECK(kept_bytes(block, x) == 0);
  CHECK(kept_bytes(conv, x) == 0);
  block.set_mode(Mode::stored);
  conv.set_mode(Mode::stored);
  Run careless = training;
  careless.restore = false;
  CHECK(kept_bytes(block, x) == 5 * half);  // x1, x2, y1 and one tensor inside each branch
  CHECK(kept_bytes(block, x, careless) == 4 * half);
  CHECK(kept_bytes(conv, x) == 3 * half);
  CHECK(kept_bytes(conv, x, careless) == 2 * half);
}

TEST_CASE("an invertible convolution needs no memory but the state") {
  Cpu device;
  AnyLayer<float> layer = invertible_conv<float>(device, 8);
  auto x = normal<float>(device, {2, 5, 4, 16}), dy = normal<float>(device, {2, 5, 4, 16}, 2);
  device.memory().restart_peak();
  const Bytes before = device.memory().live();
  layer.forward(x, training);
  layer.backward(x, dy);
  Bytes peak = device.memory().peak();
  peak[Use::workspace] = before[Use::workspace];
  CHECK(peak == before);
}

TEST_CASE("a coupling evaluates each branch once in backward") {
  Cpu device(1);
  auto layer = invertible_conv<double>(device, 8);
  Cpu::Rehearsal rehearsal(device);
  Tensor<double, Cpu> x(device, {2, 5, 4, 16}), dy(device, {2, 5, 4, 16});
  layer.forward(x, training);
  const double forward = device.work().multiply_adds;
  layer.backward(x, dy);
  // Once forward, and twice as much for the gradients of input and weights.
  CHECK(device.work().multiply_adds == 4 * forward);
}

TEST_CASE("a coupling refuses what does not fit") {
  Cpu device;
  auto layer = rev_block<float>(device, 5);
  auto odd = normal<float>(device, {2, 4, 4, 5}), wide = normal<float>(device, {2, 4, 4, 12});
  auto x = normal<float>(device, {2, 4, 4, 10}), dy = normal<float>(device, {2, 4, 4, 10}, 2);
  auto other = normal<float>(device, {2, 4, 4, 8}), pixel = normal<float>(device, {1, 1, 1, 10});
  CHECK_THROWS_WITH(layer.forward(odd, training),
                    "a coupling needs an even number of channels, but x is 2x4x4x5");
  CHECK_THROWS_AS(layer.forward(odd, training), ShapeError);
  CHECK_THROWS_WITH(layer.forward(wide, training),
                    "f.conv0: NormActConv: x is 2x4x4x6 but must have 5 channels");
  CHECK_THROWS_WITH(layer.forward(pixel, training),
                    containing("a training batch of one pixel (1x1x1x5)"));
  const std::string missing =
      "g.conv0: NormActConv: the last forward pass has not recorded the statistics of a batch; run "
      "forward with `training` first";
  auto fresh = rev_block<float>(device, 5);
  CHECK_THROWS_WITH(fresh.backward(x, dy), missing);
  layer.forward(x, training);
  CHECK_THROWS_WITH(layer.backward(x, other), "AdditiveCoupling: y is 2x4x4x10 but dy is 2x4x4x8");
}
