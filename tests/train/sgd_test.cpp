#include "retrace/train/sgd.hpp"

#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("Sgd is momentum and weight decay as computed by hand") {
  Cpu device;
  Parameter<double, Cpu> weight(device, per_channel(2), true), scale(device, per_channel(2), false);
  assign(weight.value.view(), {1, -2});
  assign(scale.value.view(), {1, -2});
  ParameterList<double, Cpu> list;
  list.add("weight", weight);
  list.add("scale", scale);
  Sgd<double, Cpu> sgd(list, {.momentum = 0.5, .weight_decay = 0.1});
  CHECK(device.memory().live()[Use::optimizer] == 4 * sizeof(double));

  assign(weight.gradient.view(), {3, 4});
  assign(scale.gradient.view(), {3, 4});
  sgd.step(0.1);  // v = g + 0.1·w = {3.1, 3.8}; without decay {3, 4}
  CHECK(relative_distance(values(weight.value), {1 - 0.31, -2 - 0.38}) < 1e-15);
  CHECK(relative_distance(values(scale.value), {1 - 0.3, -2 - 0.4}) < 1e-15);
  CHECK(values(weight.gradient) == Values{0, 0});

  sgd.step(0.2);  // v = 0.5·v + 0.1·w = {1.55 + 0.069, 1.9 - 0.238}; {1.5, 2}
  CHECK(relative_distance(values(weight.value), {0.69 - 0.2 * 1.619, -2.38 - 0.2 * 1.662}) < 1e-15);
  CHECK(relative_distance(values(scale.value), {0.7 - 0.3, -2.4 - 0.4}) < 1e-15);
}

TEST_CASE("Nesterov's step counts a gradient for the step it will go on having") {
  Cpu device;
  Parameter<double, Cpu> weight(device, per_channel(2), true);
  assign(weight.value.view(), {1, -2});
  ParameterList<double, Cpu> list;
  list.add("weight", weight);
  Sgd<double, Cpu> sgd(list, {.momentum = 0.5, .nesterov = true, .weight_decay = 0.1});
  assign(weight.gradient.view(), {3, 4});
  sgd.step(0.1);  // v = {3.1, 3.8}, and half of it is what the next step will add
  CHECK(relative_distance(values(weight.value), {1 - 0.1 * 4.65, -2 - 0.1 * 5.7}) < 1e-15);
  sgd.step(0.2);  // slope 0.1·w = {0.0535, -0.257}, v = {1.6035, 1.643}
  CHECK(relative_distance(values(weight.value), {0.535 - 0.2 * (0.0535 + 0.80175),
                                                 -2.57 - 0.2 * (-0.257 + 0.8215)}) < 1e-15);
}

TEST_CASE("Sgd at rate 0 changes no bit of the parameters") {
  Cpu device;
  Parameter<float, Cpu> weight(device, {3, 3, 5, 7}, true);
  assign(weight.value.view(), normal_values(315, 1));
  const Values before = values(weight.value);
  ParameterList<float, Cpu> list;
  list.add("weight", weight);
  Sgd<float, Cpu> sgd(list, {.weight_decay = 0.1});
  assign(weight.gradient.view(), normal_values(315, 2));
  sgd.step(0);
  CHECK(same_bits(values(weight.value), before));
}

TEST_CASE("the one-cycle rate rises from peak/25 to the peak and falls to peak/1e5") {
  const OneCycle rate{.peak = 0.5, .steps = 1000};
  CHECK(rate(0) == Approx(0.5 / 25).epsilon(1e-14));
  CHECK(rate(300) == Approx(0.5).epsilon(1e-14));
  CHECK(rate(1000) == Approx(0.5e-5).epsilon(1e-12));
  CHECK(rate(2000) == rate(1000));
  CHECK(rate(150) == Approx((0.5 + 0.02) / 2).epsilon(1e-12));
  CHECK(rate(650) == Approx((0.5 + 0.5e-5) / 2).epsilon(1e-12));
  for (std::size_t step = 0; step < 300; ++step) CHECK(rate(step) < rate(step + 1));
  for (std::size_t step = 300; step < 1000; ++step) CHECK(rate(step) > rate(step + 1));
}

TEST_CASE("a one-cycle rate without warm-up, without fall or without steps is still a number") {
  CHECK(OneCycle{1, 10, 0}(0) == Approx(1));
  CHECK(OneCycle{1, 10, 1}(5) == Approx(0.52));
  CHECK(std::isfinite(OneCycle{1, 10, 1}(10)));
  CHECK(OneCycle{1, 0}(0) == Approx(0.04));
}
