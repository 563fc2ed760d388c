#include <cmath>

#include "ode/fields.hpp"
#include "retrace/ode/brownian_path.hpp"
#include "retrace/ode/ode_block.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Block = OdeBlock<double, Cpu>;

/// dx = drift·x·dt + diffusion·x∘dW.
StageSequence<double, Cpu> geometric(Cpu& device, double drift, double diffusion) {
  return linear_field<double>(device, 1, {drift, diffusion});
}

}  // namespace

TEST_CASE("A Brownian path is a function of seed and time, and has independent increments") {
  const BrownianPath path(5, 1, 1, 3);
  double squares[2] = {}, product = 0, of_end = 0;
  constexpr int count = 20000;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double first = path(1.7, i) - path(1, i), second = path(2.6, i) - path(1.7, i);
    squares[0] += first * first / count;
    squares[1] += second * second / count;
    product += first * second / count;
    of_end += path(3, i) * path(3, i) / count;
    if (i < 50) CHECK(path(1, i) == 0);
    if (i < 50) CHECK(path(1.7, i) == BrownianPath(5, 1, 1, 3)(1.7, i));
    if (i < 50) CHECK(path(1.7, i) != BrownianPath(5, 2, 1, 3)(1.7, i));
    if (i < 50) CHECK(path(1.7, i) != BrownianPath(6, 1, 1, 3)(1.7, i));
  }
  CHECK(squares[0] == Approx(0.7).epsilon(0.03));
  CHECK(squares[1] == Approx(0.9).epsilon(0.03));
  CHECK(of_end == Approx(2).epsilon(0.03));
  CHECK(std::abs(product) < 0.02);
}

TEST_CASE("Reversible Heun follows the path of geometric Brownian motion with order 1") {
  Cpu device(1);
  constexpr Index count = 200;
  double error[2];
  for (int fine : {0, 1}) {
    Block block(geometric(device, 0.5, 0.8),
                {.method = OdeMethod::reversible_heun, .steps = fine ? 256 : 64, .noise = 9});
    Tensor<double, Cpu> x(device, {count, 1, 1, 1});
    fill(x.view(), 1.0);
    block.forward(x, inference);
    error[fine] = 0;
    const BrownianPath path(9, 1, 0, 1);  // of the first pass
    for (Index i = 0; i < count; ++i)
      error[fine] +=
          std::abs(x.data()[i] - std::exp(0.5 + 0.8 * path(1, static_cast<std::uint64_t>(i)))) /
          count;
  }
  CHECK(error[1] < 0.02);
  CHECK(std::log2(error[0] / error[1]) / 2 == Approx(1).margin(0.35));
}

TEST_CASE("The way back through a stochastic equation meets the same path") {
  Cpu device(1);
  Random random(3);
  StageSequence<double, Cpu> field;
  field.add("linear0", Linear<double, Cpu>(device, 3, 5, random));
  field.add("tanh", Tanh<double, Cpu>());
  field.add("linear1", Linear<double, Cpu>(device, 5, 6, random));
  const auto x = normal<double>(device, {2, 1, 1, 3}, 1);
  const OdeOptions options{.method = OdeMethod::reversible_heun, .steps = 10, .noise = 4};
  std::vector<Values> all;
  for (Mode mode : {Mode::reversible, Mode::stored}) {
    Block block(field, options);
    block.on_mode(mode);
    auto y = clone(x);
    block.forward(y, training);
    auto dy = normal<double>(device, y.shape(), 2, Use::gradient);
    block.backward(y, dy);
    CHECK(relative_distance(values(y), values(x)) < 1e-13);
    all.push_back(values(dy));
  }
  CHECK(relative_distance(all[0], all[1]) < 1e-13);
  double loss[2];
  for (int side : {0, 1}) {
    Block block(field, options);  // its first pass has the same noise
    auto y = clone(x);
    y.data()[4] += side ? 1e-5 : -1e-5;
    block.forward(y, training);
    loss[side] = dot(values(y), normal_values(6, 2));
  }
  CHECK(all[0][4] == Approx((loss[1] - loss[0]) / 2e-5).margin(1e-7));
}

TEST_CASE("Every pass has noise of its own, and noise needs reversible Heun") {
  Cpu device(1);
  Block block(geometric(device, 0, 1), {.method = OdeMethod::reversible_heun, .noise = 4});
  const auto pass = [&] {
    auto x = tensor<double>(device, {1, 1, 1, 1}, {1});
    block.forward(x, training);
    return values(x)[0];
  };
  CHECK(pass() != pass());
  CHECK_THROWS_WITH(Block(geometric(device, 0, 1), {.noise = 4}),
                    "OdeOptions: an equation with noise needs fixed steps of reversible-heun, not "
                    "rk4");
  CHECK_THROWS_WITH(block.set_times({{0, 1}}), containing("the same times for all images"));
}
