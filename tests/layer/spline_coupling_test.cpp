#include <limits>

#include "retrace/cpu/flow_maps.hpp"
#include "retrace/layer/bias_act_conv.hpp"
#include "retrace/layer/conv2d.hpp"
#include "retrace/layer/flow_coupling.hpp"
#include "retrace/math/spline.hpp"
#include "support/branches.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"
#include "support/links.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
std::vector<T> random_parameters(Random& random, const maps::Spline& spline, double size) {
  std::vector<T> v(static_cast<std::size_t>(spline.parameters()));
  for (T& one : v) one = static_cast<T>(size * random.normal());
  return v;
}

}  // namespace

TEST_CASE("a spline coupling keeps the contract of a layer of a flow") {
  const maps::Spline spline{.bins = 4, .tail = 1.7};  // some inputs are in the tails
  const auto make = [=]<class T>(Cpu& device) -> AnyLayer<T> {
    Random random(3);
    Branch<T, Cpu> branch;
    branch.add("conv",
               Conv2d<T, Cpu>(device, 2, spline.parameters(), random, {.kernel = 1, .gain = 0.3}));
    return FlowCoupling(std::move(branch), spline);
  };
  CHECK(check_layer(make, {{2, 2, 3, 3}, {4, 1, 1, 3}}, {4096, 4096, 65536}) == "");
}

TEST_CASE("a spline of zero parameters is the identity, and so are the tails of any") {
  const maps::Spline spline{.bins = 5, .tail = 2};
  std::vector<double> zeros(14);
  Random random(1);
  const auto v = random_parameters<double>(random, spline, 3);
  for (double x : {-1e300, -2.5, -2.0, -1.3, 0.0, 5e-324, 0.7, 1.999, 2.0, 4.0}) {
    double y = x;
    CHECK(spline.forward(&y, zeros.data(), 1) == Approx(0).margin(1e-12));
    CHECK(y == Approx(x).margin(1e-12));
    if (std::abs(x) < 2) continue;
    y = x;
    CHECK(spline.forward(&y, v.data(), 1) == 0);
    CHECK(y == x);
    CHECK(spline.inverse(&y, v.data(), 1) == 0);
    CHECK(y == x);
  }
}

TEST_CASE("a spline is monotonic, continuous at its knots and at its tails") {
  const maps::Spline spline{.bins = 6, .tail = 3};
  Random random(2);
  for (int trial = 0; trial < 20; ++trial) {
    const auto v = random_parameters<double>(random, spline, 0.7);
    double before = -3.001;
    for (int i = 0; i <= 3000; ++i) {
      double y = -3.001 + 6.002 * i / 3000;
      spline.forward(&y, v.data(), 1);
      CHECK(y >= before - 1e-12);
      CHECK(y <= before + 0.1);
      before = y;
    }
  }
}

TEST_CASE("10,000 inverses of random splines are finite and right, far in the tails too") {
  const maps::Spline spline{.bins = 8, .tail = 3};
  Random random(5);
  double worst = 0, worst_by_slope = 0;
  for (int trial = 0; trial < 10000; ++trial) {
    const bool moderate = trial % 2 == 0;
    const auto v = random_parameters<float>(random, spline, moderate ? 0.5 : 3);
    float x = static_cast<float>(2 * random.normal());
    if (trial % 16 < 2) x *= 1e30f;
    if (trial % 16 == 2) x = 0;
    if (trial % 16 == 3) x = std::numeric_limits<float>::denorm_min();
    if (trial % 16 == 4) x = trial % 32 < 16 ? 3.f : -3.f;
    if (trial % 16 == 5) x = std::nextafter(3.f, 0.f);
    float y = x;
    const double forward = spline.forward(&y, v.data(), 1);
    float back = y;
    const double inverse = spline.inverse(&back, v.data(), 1);
    REQUIRE(std::isfinite(y));
    REQUIRE(std::isfinite(back));
    REQUIRE(std::isfinite(forward));
    REQUIRE(std::isfinite(inverse));
    const double error = std::abs(double(back) - double(x)) / std::max(1.0, std::abs(double(x)));
    if (moderate) worst = std::max(worst, error);
    // An inverse divides the rounding of y by the slope, which is small where a spline is flat.
    worst_by_slope = std::max(worst_by_slope, error * std::min(std::exp(forward), 1.0));
  }
  CHECK(worst <= 1e-4);
  CHECK(worst_by_slope <= 1e-4);
}

TEST_CASE("extreme parameters of a spline give neither NaN nor infinity, nor do gradients") {
  const maps::Spline spline{.bins = 4, .tail = 3};
  const float huge = std::numeric_limits<float>::max();
  Random random(6);
  for (float size : {0.f, 1e-40f, 50.f, 1e10f, huge}) {
    for (int trial = 0; trial < 200; ++trial) {
      std::vector<float> v(11);
      for (float& one : v) one = random.below(3) == 0 ? 0.f : (random.below(2) == 0 ? size : -size);
      const float x = static_cast<float>(1.5 * random.normal());
      float y = x, back = x;
      CHECK(std::isfinite(spline.forward(&y, v.data(), 1)));
      CHECK(std::isfinite(spline.inverse(&back, v.data(), 1)));
      CHECK(std::isfinite(back));
      float dy = 1;
      spline.backward(&dy, &x, v.data(), 1, 1.f);
      CHECK(std::isfinite(dy));
      for (float g : v) CHECK(std::isfinite(g));
    }
  }
}

TEST_CASE("a batch in the tails has gradients of 0 for the parameters, and its dy for x") {
  const maps::Spline spline{.bins = 4, .tail = 1};
  std::vector<double> v(22, std::numeric_limits<double>::quiet_NaN());  // never computed with
  const double x[]{2, -5};
  double dy[]{0.25, -3};
  spline.backward(dy, x, v.data(), 2, 1.0);
  CHECK(dy[0] == 0.25);
  CHECK(dy[1] == -3);
  for (double g : v) CHECK(g == 0);
}

TEST_CASE("a spline refuses options that make no spline") {
  CHECK_THROWS_WITH((maps::Spline{.bins = 1}.require()), containing("bins must be from 2 to 32"));
  CHECK_THROWS_WITH((maps::Spline{.bins = 33}.require()), containing("got 33"));
  CHECK_THROWS_WITH((maps::Spline{.tail = 0}.require()), containing("tail must be positive"));
  CHECK_THROWS_WITH((maps::Spline{.bins = 10, .least = 0.1}.require()),
                    containing("the least share of 10 bins"));
}
