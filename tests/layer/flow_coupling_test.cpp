#include "retrace/layer/flow_coupling.hpp"

#include <limits>

#include "retrace/cpu/flow_maps.hpp"
#include "retrace/layer/bias_act_conv.hpp"
#include "retrace/layer/conv2d.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

/// Two convolutions with leaky ReLU in between.
template <class T>
Branch<T, Cpu> branch(Cpu& device, Index in, Index out, Index kernel = 3) {
  Random random(7);
  Branch<T, Cpu> made;
  made.add("conv0", Conv2d<T, Cpu>(device, in, 4, random, {.kernel = kernel}));
  made.add("conv1", BiasActConv<T, Cpu>(device, 4, out, random, {.kernel = kernel, .gain = 0.5},
                                        {.slope = 0.3}));
  made.add("bias", ChannelBias<T, Cpu>(device, out));
  return made;
}

template <class Map>
auto maker(const Map& map, const Split& split, Index in, Index out) {
  return [=]<class T>(Cpu& device) -> AnyLayer<T> {
    return FlowCoupling(branch<T>(device, in, out), map, split);
  };
}

const std::vector<Shape> shapes{{2, 3, 4, 5}, {1, 2, 2, 5}};

}  // namespace

TEST_CASE("an additive coupling of uneven parts keeps the contract") {
  CHECK(check_layer(maker(maps::Shift{}, {.first = 2}, 2, 3), shapes, {64, 64, 4096}) == "");
}
TEST_CASE("an affine coupling of odd channels keeps the contract") {
  CHECK(check_layer(maker(maps::Affine{0.5}, {}, 3, 4), shapes, {512, 512, 8192}) == "");
}
TEST_CASE("a coupling that maps the first part keeps the contract") {
  CHECK(check_layer(maker(maps::Affine{0.5}, {.first = 1, .maps_first = true}, 4, 2), shapes,
                    {512, 512, 8192}) == "");
}
TEST_CASE("a coupling on a checkerboard of one channel keeps the contract") {
  for (Pixels pixels : {Pixels::even, Pixels::odd})
    CHECK(check_layer(maker(maps::Affine{0.5}, {.mapped = pixels}, 1, 2),
                      {{2, 3, 4, 1}, {1, 1, 5, 1}}, {512, 512, 8192}) == "");
}

TEST_CASE("a coupling changes its part alone") {
  Cpu device;
  const auto x = normal<double>(device, {2, 3, 4, 5});
  auto y = clone(x), z = clone(x);
  FlowCoupling(branch<double>(device, 3, 4), maps::Affine{}).forward(y, inference);
  FlowCoupling(branch<double>(device, 5, 10), maps::Affine{}, Split{.mapped = Pixels::odd})
      .forward(z, inference);
  for (Index n = 0; n < 2; ++n)
    for (Index h = 0; h < 3; ++h)
      for (Index w = 0; w < 4; ++w)
        for (Index c = 0; c < 5; ++c) {
          const Index i = ((n * 3 + h) * 4 + w) * 5 + c;
          CHECK((y.data()[i] == x.data()[i]) == (c < 3));
          CHECK((z.data()[i] == x.data()[i]) == ((h + w) % 2 == 0));
        }
}

TEST_CASE("the scale of an affine map stays within its bound for every parameter") {
  const maps::Affine map{2};
  for (float s : {0.f, 1e30f, -1e30f, 1e-40f, -50.f}) {
    float x = 3, v[]{s, 0.25f}, y = x;
    const double sum = map.forward(&y, v, 1);
    CHECK(std::abs(sum) <= 2);
    CHECK(y > 3 * std::exp(-2.0) * 0.999);
    CHECK(map.inverse(&y, v, 1) == -sum);
    CHECK(y == Approx(x).epsilon(1e-5));
  }
}

TEST_CASE("10,000 inverses of random affine maps are finite and right, far in the tails too") {
  const maps::Affine map{2};
  Random random(8);
  double worst = 0;
  for (int trial = 0; trial < 10000; ++trial) {
    const float size = trial % 4 == 0 ? 100.f : 1.f;
    float v[]{size * static_cast<float>(random.normal()), static_cast<float>(random.normal())};
    float x = static_cast<float>(random.normal());
    if (trial % 8 == 1) x *= 1e30f;
    if (trial % 8 == 2) x = 0;
    if (trial % 8 == 3) x = std::numeric_limits<float>::denorm_min();
    float y = x;
    REQUIRE(std::isfinite(map.forward(&y, v, 1)));
    REQUIRE(std::isfinite(y));
    REQUIRE(std::isfinite(map.inverse(&y, v, 1)));
    REQUIRE(std::isfinite(y));
    worst = std::max(worst, std::abs(double(y) - double(x)) / std::max(1.0, std::abs(double(x))));
  }
  CHECK(worst <= 1e-4);
}

TEST_CASE("a coupling refuses parts without channels and branches of another shape") {
  Cpu device;
  const FlowCoupling coupling(branch<double>(device, 1, 2), maps::Affine{});
  CHECK(coupling.output_shape({1, 2, 2, 2}) == Shape{1, 2, 2, 2});
  CHECK_THROWS_WITH(coupling.output_shape({1, 2, 2, 1}),
                    containing("FlowCoupling: x has 1 channels, but the parts that are read and "
                               "mapped must have one each"));
  const FlowCoupling wrong(branch<double>(device, 2, 3), maps::Affine{});
  CHECK_THROWS_WITH(wrong.output_shape({1, 2, 2, 4}),
                    containing("the output of F is 1x2x2x3 but the parameters of the map is "
                               "1x2x2x4"));
  CHECK_THROWS_AS(FlowCoupling(branch<double>(device, 1, 2), maps::Affine{0}),
                  std::invalid_argument);
  CHECK_THROWS_AS(FlowCoupling(branch<double>(device, 1, 2), maps::Affine{}, {.first = -1}),
                  std::invalid_argument);
}

TEST_CASE("a map of more sub-images than log-determinants adds those of each image") {
  Cpu device;
  auto x = normal<double>(device, {4, 1, 2, 1});
  auto v = normal<double>(device, {4, 1, 2, 2}, 4);
  Tensor<double, Cpu> sums(device, {2, 1, 1, 1});
  fill(sums.view(), 0.0);
  const maps::Affine map{1};
  map_elements(x.view(), v.view(), map, Pixels::all, std::optional(sums.view()));
  for (Index n = 0; n < 2; ++n) {
    double sum = 0;
    for (Index p = 4 * n; p < 4 * n + 4; ++p) sum += std::tanh(v.data()[2 * p]);
    CHECK(sums.data()[n] == Approx(sum));
  }
}
