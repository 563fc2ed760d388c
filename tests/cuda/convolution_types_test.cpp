// Convolutions of float whose operands are rounded to 16 bits.
#include <Eigen/Core>

#include "cuda/devices.hpp"
#include "support/catch.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

struct Case {
  Shape x;
  Index outputs, kernel, stride;

  Shape w() const { return {kernel, kernel, x.c, outputs}; }
  Shape y() const {
    return {x.n, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride, outputs};
  }
};
const std::vector<Case> cases{{{2, 5, 7, 3}, 8, 3, 1},
                              {{2, 6, 5, 8}, 24, 3, 2},
                              {{3, 1, 1, 32}, 10, 1, 1},
                              {{2, 9, 9, 16}, 16, 3, 1}};

/// Computes the three passes from x, w and dy, each added to ones.
template <class T, class D>
std::vector<Values> passes(D& device, const Case& c, const Values& x, const Values& w,
                           const Values& dy, const NormActivation<T, D>* prologue) {
  const auto input = moved<T>(device, x, c.x);
  const auto weights = moved<T>(device, w, c.w());
  const auto gradient = moved<T>(device, dy, c.y());
  Tensor<T, D> y(device, c.y()), dx(device, c.x), dw(device, c.w());
  fill(y.view(), T(1));
  conv2d(y.view(), input.view(), weights.view(), c.stride, prologue, Store::add);
  conv2d_input_gradient(dx.view(), gradient.view(), weights.view(), c.stride);
  fill(dw.view(), T(0));
  conv2d_weight_gradient(dw.view(), input.view(), gradient.view(), c.stride, prologue);
  return {values(y), values(dx), values(dw)};
}

/// Rounds values to elements of E.
template <class E>
Values rounded(const Values& list, double scale = 1) {
  Values result;
  for (double value : list)
    result.push_back(static_cast<double>(static_cast<float>(E(static_cast<float>(value * scale)))) /
                     scale);
  return result;
}

/// Computes act(scale·x + shift) on the host, in float.
Values activated(Cpu& host, const Case& c, const Values& x, const Values& numbers) {
  auto result = moved<float>(host, x, c.x);
  const auto norm = moved<float>(host, numbers, {2, 1, 1, c.x.c});
  const auto scale = norm.view().images(0, 1), shift = norm.view().images(1, 1);
  normalise_activate(result.view(), result.view(), {scale, scale, scale, shift}, relu);
  return values(result);
}

template <class E>
void check_case(ConvolutionType type, double gradient_scale, const Case& c, bool libraries,
                bool normalises) {
  CAPTURE(to_string(c.x), c.outputs, c.kernel, c.stride, libraries, normalises);
  Cpu host(1);
  Cuda gpu(0, {.libraries = libraries, .convolutions = type});
  const Values x = normal_values(c.x.size(), 1), w = normal_values(c.w().size(), 2);
  const Values numbers = normal_values(2 * c.x.c, 3);
  Values dy = normal_values(c.y().size(), 4);
  for (double& value : dy) value *= 1e-7;  // below the smallest half

  const auto norm = moved<float>(gpu, numbers, {2, 1, 1, c.x.c});
  const auto scale = norm.view().images(0, 1), shift = norm.view().images(1, 1);
  const NormActivation<float, Cuda> prologue{{scale, scale, scale, shift}, relu};
  const auto found = passes<float, Cuda>(gpu, c, x, w, dy, normalises ? &prologue : nullptr);
  const auto expected =
      passes<double, Cpu>(host, c, rounded<E>(normalises ? activated(host, c, x, numbers) : x),
                          rounded<E>(w), rounded<E>(dy, gradient_scale), nullptr);
  // Results of cuDNN are also rounded, by at most half of the last bit.
  const double of_result = type == ConvolutionType::half ? 0x1p-11 : 0x1p-8;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_distance(found[i], expected[i]) < 4e-6 + (libraries ? of_result : 0));
  }
}

}  // namespace

TEST_CASE("operands of convolutions are rounded to half, and sums are not") {
  for (const Case& each : cases)
    for (bool libraries : {true, false})
      for (bool normalises : {true, false})
        check_case<Eigen::half>(ConvolutionType::half, 1024, each, libraries, normalises);
}

TEST_CASE("operands of convolutions are rounded to bfloat16, and sums are not") {
  for (const Case& each : cases)
    for (bool libraries : {true, false})
      for (bool normalises : {true, false})
        check_case<Eigen::bfloat16>(ConvolutionType::bfloat16, 1, each, libraries, normalises);
}

TEST_CASE("convolutions of double are not rounded") {
  const Case c = cases[0];
  Cpu host(1);
  Cuda gpu(0, {.convolutions = ConvolutionType::bfloat16});
  const Values x = normal_values(c.x.size(), 1), w = normal_values(c.w().size(), 2);
  const Values dy = normal_values(c.y().size(), 4);
  const auto found = passes<double, Cuda>(gpu, c, x, w, dy, nullptr);
  const auto expected = passes<double, Cpu>(host, c, x, w, dy, nullptr);
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK(distance_in_roundings<double>(found[i], expected[i]) <= 256);
}
