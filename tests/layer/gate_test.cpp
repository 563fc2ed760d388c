#include "retrace/layer/gate.hpp"

#include "retrace/cpu/gate.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

TEST_CASE("Gelu and Silu keep the contract of a layer") {
  const std::vector<Shape> shapes{{2, 1, 5, 7}, {1, 2, 3, 37}};
  CHECK(check_layer([]<class T>(Cpu&) -> AnyLayer<T> { return Gelu<T, Cpu>(); }, shapes, {}) == "");
  CHECK(check_layer([]<class T>(Cpu&) -> AnyLayer<T> { return Silu<T, Cpu>(); }, shapes, {}) == "");
}

TEST_CASE("A gated unit keeps the contract of a layer") {
  const auto make = []<class T>(Cpu&) -> AnyLayer<T> { return GatedUnit<T, Cpu>(Gate::gelu); };
  CHECK(check_layer(make, {{2, 1, 5, 14}, {3, 1, 4, 32}}, {}) == "");
}

TEST_CASE("Gelu is the tanh form, Silu is x·σ(x), a gated unit multiplies") {
  Cpu device(1);
  const Values x{-1000, -3, -0.5, 0, 0.5, 3, 1000, 2};
  Values gelu, silu, gated;
  for (double u : x) {
    const double pi = 3.14159265358979323846;
    gelu.push_back(u / 2 * (1 + std::tanh(std::sqrt(2 / pi) * (u + 0.044715 * u * u * u))));
    silu.push_back(u / (1 + std::exp(-u)));
  }
  for (std::size_t i = 0; i < 4; ++i) gated.push_back(silu[i] * x[i + 4]);
  const auto from = tensor<double>(device, {1, 1, 1, 8}, x);
  Tensor<double, Cpu> y(device, from.shape()), half(device, {1, 1, 1, 4});
  apply_gate(y.view(), from.view(), Gate::gelu);
  CHECK(relative_distance(values(y), gelu) < 1e-15);
  apply_gate(y.view(), from.view(), Gate::silu);
  CHECK(relative_distance(values(y), silu) < 1e-15);
  GatedUnit<double, Cpu>().apply(half.view(), from.view(), inference, Store::set);
  CHECK(relative_distance(values(half), gated) < 1e-15);
}

TEST_CASE("The exponential of a register is that of the standard library") {
  const auto check = []<class T>(T step, T limit, double roundings) {
    constexpr int W = cpu::lanes<T>;
    double worst = 0;
    for (T x = -limit; x < limit; x += step) {
      const cpu::Block<T, W> at = cpu::Block<T, W>{} + x;
      T y[W];
      cpu::save<W>(y, cpu::exponential<T>(at));
      const double exact = std::exp(static_cast<double>(x));
      worst = std::max(worst, std::abs(static_cast<double>(y[W - 1]) - exact) / exact);
    }
    CHECK(worst < roundings * static_cast<double>(std::numeric_limits<T>::epsilon()));
  };
  check(0.0137f, 86.f, 1);
  check(0.137, 700.0, 2);
  constexpr int W = cpu::lanes<float>;
  const auto of = [](float x) {
    float y[W];
    cpu::save<W>(y, cpu::exponential<float>(cpu::Block<float, W>{} + x));
    return y[0];
  };
  CHECK(of(-std::numeric_limits<float>::infinity()) == 0);
  CHECK(of(-100) == 0);
  CHECK(of(0) == 1);
  CHECK(std::isnan(of(std::numeric_limits<float>::quiet_NaN())));
}

TEST_CASE("A gated unit refuses an odd number of channels") {
  CHECK_THROWS_WITH((GatedUnit<float, Cpu>().output_shape({1, 1, 2, 5})),
                    "GatedUnit: x is 1x1x2x5 but must have an even number of channels");
}
