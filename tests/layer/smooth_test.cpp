#include "retrace/layer/smooth.hpp"

#include <cmath>

#include "retrace/cpu/smooth_activation.hpp"
#include "support/catch.hpp"
#include "support/contract.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

double lipswish(double x) { return x / (1 + std::exp(-x)) / 1.1; }

/// The largest error of y = f(x) for x of many sizes and both signs, relative to f(x), or to x.
template <class T, class Stage>
double worst_error(Stage stage, double (*f)(double), bool relative_to_x = false) {
  Cpu device(1);
  Values x;
  for (double size = 1e-6; size < 50; size *= 1.1) x.insert(x.end(), {size, -size});
  auto y = tensor<T>(device, {1, 1, 1, Index(x.size())}, x);
  stage.apply(y.view(), std::as_const(y).view(), inference, Store::set);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = f(double(T(x[i])));
    const double size = std::abs(relative_to_x ? x[i] : expected);
    worst = std::max(worst, std::abs(double(y.data()[i]) - expected) / size);
  }
  return worst;
}

}  // namespace

TEST_CASE("Smooth activations keep the contract of a layer") {
  const std::vector<Shape> shapes{{2, 5, 3, 7}, {1, 4, 6, 16}};
  CHECK(check_layer([]<class T>(Cpu&) -> AnyLayer<T> { return Tanh<T, Cpu>(); }, shapes, {}) == "");
  CHECK(check_layer([]<class T>(Cpu&) -> AnyLayer<T> { return Elu<T, Cpu>(); }, shapes, {}) == "");
  CHECK(check_layer([]<class T>(Cpu&) -> AnyLayer<T> { return LipSwish<T, Cpu>(); }, shapes, {}) ==
        "");
}

TEST_CASE("Smooth activations are exact to a few roundings for large and small x") {
  const auto tanh = +[](double x) { return std::tanh(x); };
  const auto elu = +[](double x) { return x > 0 ? x : std::expm1(x); };
  CHECK(worst_error<double>(Tanh<double, Cpu>(), tanh) < 1e-15);
  CHECK(worst_error<float>(Tanh<float, Cpu>(), tanh) < 5e-7);
  CHECK(worst_error<double>(Elu<double, Cpu>(), elu) < 1e-15);
  CHECK(worst_error<float>(Elu<float, Cpu>(), elu) < 5e-7);
  CHECK(worst_error<double>(LipSwish<double, Cpu>(), lipswish, true) < 1e-15);
  CHECK(worst_error<float>(LipSwish<float, Cpu>(), lipswish, true) < 5e-7);
}

TEST_CASE("The slopes of smooth activations are at most 1") {
  Cpu device(1);
  Values x;
  for (double at = -20; at < 20; at += 0.01) x.push_back(at);
  const auto points = tensor<double>(device, {1, 1, 1, Index(x.size())}, x);
  auto ones = clone(points), dx = clone(points);
  fill(ones.view(), 1.0);
  const auto steepest = [&](auto stage) {
    stage.gradient(points.view(), std::as_const(ones).view(), dx.view(), Store::set);
    return largest(values(dx));
  };
  CHECK(steepest(Tanh<double, Cpu>()) <= 1);
  CHECK(steepest(Elu<double, Cpu>()) <= 1);
  CHECK(steepest(LipSwish<double, Cpu>()) <= 1);
  CHECK(steepest(LipSwish<double, Cpu>()) > 0.99);
}
