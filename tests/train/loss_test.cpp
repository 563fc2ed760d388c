#include "retrace/train/loss.hpp"

#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

template <class T>
struct LossAndGradient {
  BatchLoss loss;
  Values dx;

  LossAndGradient(const Tensor<T, Cpu>& x, const std::vector<std::uint8_t>& labels,
                  double smoothing = 0) {
    Tensor<T, Cpu> gradient(x.device(), x.shape(), Use::gradient);
    loss = SoftmaxCrossEntropy{smoothing}(x, std::span<const std::uint8_t>(labels), gradient);
    dx = values(gradient);
  }
};

}  // namespace

TEST_CASE("softmax cross-entropy is its definition, and so is its gradient") {
  Cpu device(2);
  const auto x = normal<double>(device, {7, 1, 1, 10});
  const std::vector<std::uint8_t> labels{3, 0, 9, 9, 1, 4, 4};
  const double smoothing = GENERATE(0.0, 0.3);
  const LossAndGradient result(x, labels, smoothing);
  double loss = 0;
  Values dx;
  Index correct = 0;
  for (Index n = 0; n < 7; ++n) {
    const Values row = values(x.view().images(n, 1));
    double sum = 0;
    for (double value : row) sum += std::exp(value);
    const std::size_t label = labels[static_cast<std::size_t>(n)];
    for (std::size_t k = 0; k < 10; ++k) {
      const double share = std::exp(row[k]) / sum;
      const double wanted = smoothing / 10 + (k == label ? 1 - smoothing : 0);
      loss -= wanted * std::log(share) / 7;
      dx.push_back((share - wanted) / 7);
    }
    correct += std::max_element(row.begin(), row.end()) - row.begin() == std::ptrdiff_t(label);
  }
  CHECK(result.loss.loss == Approx(loss).epsilon(1e-14));
  CHECK(result.loss.correct == correct);
  CHECK(result.loss.images == 7);
  CHECK(relative_distance(result.dx, dx) < 1e-14);
}

TEST_CASE("the gradient of the loss is its slope") {
  Cpu device;
  const std::vector<std::uint8_t> labels{3, 0, 9};
  auto x = normal<double>(device, {3, 1, 1, 10});
  const Values v = normal_values(30, 5), here = values(x);
  const double smoothing = GENERATE(0.0, 0.2);
  const double slope = dot(LossAndGradient(x, labels, smoothing).dx, v);
  const auto at = [&](double step) {
    Values there = here;
    for (std::size_t i = 0; i < 30; ++i) there[i] += step * v[i];
    assign(x.view(), there);
    return LossAndGradient(x, labels, smoothing).loss.loss;
  };
  CHECK((at(1e-5) - at(-1e-5)) / 2e-5 == Approx(slope).epsilon(1e-8));
}

TEST_CASE("large logits neither overflow nor lose the loss") {
  Cpu device;
  const auto x = tensor<float>(device, {2, 1, 1, 3}, {1e30, 0, -1e30, 500, 100, 0});
  const LossAndGradient result(x, {0, 1});
  CHECK(result.loss.loss == Approx(200));
  CHECK(result.loss.correct == 1);
  CHECK(result.dx == Values{0, 0, 0, 0.5, -0.5, 0});
}

TEST_CASE("equal logits give log K") {
  Cpu device;
  const auto x = tensor<double>(device, {1, 1, 1, 10}, Values(10, 3.0));
  CHECK(LossAndGradient(x, {9}).loss.loss == Approx(std::log(10.0)).epsilon(1e-15));
}

TEST_CASE("the loss takes no image at all") {
  Cpu device;
  const Tensor<float, Cpu> x(device, {0, 1, 1, 10});
  const LossAndGradient result(x, {});
  CHECK(result.loss.loss == 0);
  CHECK(result.loss.images == 0);
}

TEST_CASE("the loss refuses what does not fit, with image and label") {
  Cpu device;
  const auto x = normal<float>(device, {4, 1, 1, 10}), map = normal<float>(device, {4, 2, 1, 10});
  const auto loss = [&](const Tensor<float, Cpu>& logits, std::vector<std::uint8_t> labels) {
    LossAndGradient<float>(logits, labels);
  };
  CHECK_THROWS_AS(loss(x, {1, 2, 3, 12}), DataError);
  CHECK_THROWS_WITH(loss(x, {1, 2, 3, 12}),
                    "SoftmaxCrossEntropy: label 12 of image 3 is not one of 10 classes");
  CHECK_THROWS_WITH(loss(x, {10, 2, 3, 4}),
                    "SoftmaxCrossEntropy: label 10 of image 0 is not one of 10 classes");
  CHECK_THROWS_WITH(loss(x, {1, 2, 3}), containing("x is 4x1x1x10") && containing("3x1x1x10"));
  CHECK_THROWS_AS(loss(map, {1, 2, 3, 4}), ShapeError);
  Tensor<float, Cpu> dx(device, {4, 1, 1, 9});
  const std::vector<std::uint8_t> four{1, 2, 3, 4};
  CHECK_THROWS_WITH(SoftmaxCrossEntropy{}(x, std::span<const std::uint8_t>(four), dx),
                    "SoftmaxCrossEntropy: x is 4x1x1x10 but dx is 4x1x1x9");
}
