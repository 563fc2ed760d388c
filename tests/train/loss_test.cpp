// Every loss beside its definition, its gradient beside its slope, and what losses refuse.
#include "retrace/cpu/pointwise_loss.hpp"
#include "retrace/train/loss/binary_cross_entropy.hpp"
#include "retrace/train/loss/cross_entropy.hpp"
#include "retrace/train/loss/huber.hpp"
#include "retrace/train/loss/mean_squared_error.hpp"
#include "support/catch.hpp"
#include "support/operations.hpp"
#include "support/tensors.hpp"

using namespace retrace;
using namespace retrace::test;

namespace {

using Labels = std::vector<std::int32_t>;

struct LossAndGradient {
  LossValue loss;
  Values dx;

  template <class T, class L>
  LossAndGradient(const Tensor<T, Cpu>& x, const L& of) {
    Tensor<T, Cpu> gradient(x.device(), x.shape(), Use::gradient);
    fill(gradient.view(), std::numeric_limits<T>::quiet_NaN());
    loss = of(x, gradient);
    dx = values(gradient);
  }
};

/// By the definition of core/cross_entropy.hpp.
template <class T>
LossAndGradient defined(const Tensor<T, Cpu>& x, const Labels& labels,
                        const CrossEntropyOptions& options) {
  LossAndGradient result(x, [&](const auto&, auto&) { return LossValue{}; });
  LossValue& loss = result.loss;
  result.dx.clear();
  const auto classes = static_cast<std::size_t>(x.shape().c);
  const Values logits = values(x);
  const auto weight = [&](std::size_t k) {
    return options.weights.empty() ? 1 : options.weights[k];
  };
  for (std::int32_t label : labels)
    if (label != options.ignore) loss.weight += weight(static_cast<std::size_t>(label));
  for (std::size_t n = 0; n < labels.size(); ++n) {
    const double* row = logits.data() + n * classes;
    double sum = 0;
    for (std::size_t k = 0; k < classes; ++k) sum += std::exp(row[k]);
    std::vector<double> q(classes, 0.0);
    for (std::size_t k = 0; k < classes && labels[n] != options.ignore; ++k)
      q[k] = weight(k) * (options.smoothing / static_cast<double>(classes) +
                          (static_cast<std::int32_t>(k) == labels[n] ? 1 - options.smoothing : 0));
    const double all = std::accumulate(q.begin(), q.end(), 0.0);
    for (std::size_t k = 0; k < classes; ++k) {
      const double share = std::exp(row[k]) / sum;
      loss.sum -= q[k] * std::log(share);
      result.dx.push_back((all * share - q[k]) / loss.weight);
    }
    if (labels[n] == options.ignore) continue;
    ++loss.count;
    loss.correct += std::max_element(row, row + classes) - row == labels[n];
  }
  return result;
}

std::vector<CrossEntropyOptions> all_options() {
  const std::vector<double> weights{1, 0.5, 2, 3, 0, 1, 1, 0.25, 1, 4};
  return {{},
          {.smoothing = 0.3},
          {.ignore = 9},
          {.ignore = -100},
          {.weights = weights},
          {.smoothing = 0.2, .ignore = 9, .weights = weights}};
}

/// Whether the gradient is the slope of the mean along a line.
template <class L>
void check_slope(Tensor<double, Cpu>& x, const L& loss) {
  const Values v = normal_values(x.shape().size(), 5), here = values(x);
  const double slope = dot(LossAndGradient(x, loss).dx, v);
  const auto at = [&](double step) {
    Values there = here;
    for (std::size_t i = 0; i < there.size(); ++i) there[i] += step * v[i];
    assign(x.view(), there);
    return LossAndGradient(x, loss).loss.mean();
  };
  CHECK((at(1e-5) - at(-1e-5)) / 2e-5 == Approx(slope).epsilon(1e-8));
  assign(x.view(), here);
}

}  // namespace

TEST_CASE("cross-entropy is its definition, and so is its gradient") {
  Cpu device(2);
  for (Shape shape : {Shape{7, 1, 1, 10}, Shape{2, 3, 4, 10}}) {
    auto x = normal<double>(device, shape);
    Labels labels;
    for (Index i = 0; i < shape.pixels(); ++i)
      labels.push_back(static_cast<std::int32_t>(7 * i % 10));
    for (CrossEntropyOptions& options : all_options()) {
      CAPTURE(to_string(shape), options.smoothing, options.weights.size());
      if (options.ignore == -100) labels[1] = -100;
      const LossAndGradient result(x, cross_entropy(labels, options)),
          expected = defined(x, labels, options);
      CHECK(result.loss.sum == Approx(expected.loss.sum).epsilon(1e-13));
      CHECK(result.loss.weight == Approx(expected.loss.weight).epsilon(1e-14));
      CHECK(result.loss.correct == expected.loss.correct);
      CHECK(result.loss.count == expected.loss.count);
      CHECK(relative_distance(result.dx, expected.dx) < 1e-13);
      check_slope(x, cross_entropy(labels, options));
      labels[1] = 7;
    }
  }
}

TEST_CASE("losses of values beside targets are their definitions, and so are their gradients") {
  Cpu device(2);
  for (Shape shape : {Shape{3, 5, 4, 7}, Shape{2, 1, 1, 1}}) {
    auto y = normal<double>(device, shape);
    auto target = normal<double>(device, shape, 2);
    const Values a = values(y), t = values(target);
    const auto check = [&](const auto& loss, auto definition) {
      const LossAndGradient result(y, loss);
      double sum = 0;
      for (std::size_t i = 0; i < a.size(); ++i) sum += definition(a[i], t[i]);
      CHECK(result.loss.mean() == Approx(sum / static_cast<double>(a.size())).epsilon(1e-13));
      CHECK(result.loss.weight == static_cast<double>(a.size()));
      CHECK(result.loss.count == 0);
      check_slope(y, loss);
    };
    check(mean_squared_error(target), [](double x, double z) { return (x - z) * (x - z); });
    check(huber(target, 0.8), [](double x, double z) {
      const double d = std::abs(x - z);
      return d <= 0.8 ? d * d / 2 : 0.8 * (d - 0.4);
    });
    check(binary_cross_entropy(target), [](double x, double z) {
      const double sigmoid = 1 / (1 + std::exp(-x));
      return -z * std::log(sigmoid) - (1 - z) * std::log(1 - sigmoid);
    });
  }
}

TEST_CASE("a loss has the same bits for any number of threads") {
  std::vector<Values> sums;
  for (int threads : {1, 2, 3}) {
    Cpu device(threads);
    const auto y = normal<float>(device, {5, 9, 7, 3}),
               target = normal<float>(device, y.shape(), 2);
    const Labels labels(static_cast<std::size_t>(y.shape().pixels()), 2);
    sums.push_back({LossAndGradient(y, mean_squared_error(target)).loss.sum,
                    LossAndGradient(y, cross_entropy(labels)).loss.sum});
  }
  CHECK(sums[1] == sums[0]);
  CHECK(sums[2] == sums[0]);
}

TEST_CASE("large logits neither overflow nor lose the loss") {
  Cpu device;
  const auto x = tensor<float>(device, {2, 1, 1, 3}, {1e30, 0, -1e30, 500, 100, 0});
  const LossAndGradient result(x, cross_entropy(Labels{0, 1}));
  CHECK(result.loss.mean() == Approx(200));
  CHECK(result.loss.correct == 1);
  CHECK(result.dx == Values{0, 0, 0, 0.5, -0.5, 0});
  const auto y = tensor<float>(device, {1, 1, 1, 4}, {1e30, -1e30, 1000, -1000}),
             target = tensor<float>(device, {1, 1, 1, 4}, {1, 0, 0, 0});
  const LossAndGradient yes(y, binary_cross_entropy(target));
  CHECK(yes.loss.sum == Approx(1000));
  CHECK(yes.dx == Values{0, 0, 0.25, 0});
}

TEST_CASE("equal logits give log K") {
  Cpu device;
  const auto x = tensor<double>(device, {1, 1, 1, 10}, Values(10, 3.0));
  CHECK(LossAndGradient(x, cross_entropy(Labels{9})).loss.mean() ==
        Approx(std::log(10.0)).epsilon(1e-15));
}

TEST_CASE("a thousand classes are told apart") {
  Cpu device;
  auto x = tensor<float>(device, {3, 1, 1, 1000}, Values(3000, 0.0));
  x.data()[259] = x.data()[1515] = x.data()[2999] = 5;
  const LossAndGradient result(x, cross_entropy(Labels{259, 515, 998}));
  CHECK(result.loss.correct == 2);
  CHECK(result.dx[259] < -0.2);
  CHECK(result.dx[3] > 0);
}

TEST_CASE("a loss takes no image at all, and a batch of which all is ignored") {
  Cpu device;
  const Tensor<float, Cpu> x(device, {0, 1, 1, 10});
  const LossAndGradient result(x, cross_entropy(Labels{}));
  CHECK(result.loss.mean() == 0);
  CHECK(result.loss.count == 0);
  CHECK(LossAndGradient(x, mean_squared_error(x)).loss.mean() == 0);
  const auto y = normal<float>(device, {2, 1, 1, 3});
  const LossAndGradient nothing(y, cross_entropy(Labels{-1, -1}, {.ignore = -1}));
  CHECK(nothing.loss.mean() == 0);
  CHECK(nothing.loss.accuracy() == 0);
  CHECK(nothing.dx == Values(6, 0.0));
}

TEST_CASE("losses refuse what does not fit, with image and label") {
  Cpu device;
  const auto x = normal<float>(device, {4, 1, 1, 10}), map = normal<float>(device, {2, 2, 3, 10});
  const auto loss = [&](const Tensor<float, Cpu>& logits, Labels labels,
                        CrossEntropyOptions options = {}) {
    LossAndGradient(logits, cross_entropy(labels, options));
  };
  CHECK_THROWS_AS(loss(x, {1, 2, 3, 12}), DataError);
  CHECK_THROWS_WITH(loss(x, {1, 2, 3, 12}),
                    "cross_entropy: label 12 of image 3 is not one of 10 classes");
  CHECK_THROWS_WITH(loss(x, {-1, 2, 3, 4}),
                    "cross_entropy: label -1 of image 0 is not one of 10 classes");
  CHECK_THROWS_WITH(
      loss(map, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0}),
      "cross_entropy: label 10 of row 1, column 1 of image 1 is not one of 10 classes");
  CHECK_THROWS_WITH(loss(x, {1, 2, 3}), containing("there are 3 labels for logits 4x1x1x10"));
  CHECK_THROWS_AS(loss(map, {1, 2, 3, 4}), ShapeError);
  CHECK_THROWS_WITH(loss(x, {1, 2, 3, 4}, {.weights = {1, 2}}), containing("weights of 2 classes"));
  CHECK_THROWS_WITH(loss(x, {1, 2, 3, 4}, {.smoothing = 1.5}), containing("has to be 0 to 1"));
  CHECK_THROWS_WITH(loss(x, {1, 2, 3, 4}, {.weights = Values(10, -1.0)}),
                    containing("the weight of class 0 is -1"));
  Tensor<float, Cpu> dx(device, {4, 1, 1, 9});
  CHECK_THROWS_WITH(cross_entropy(Labels{1, 2, 3, 4})(x, dx),
                    "cross_entropy: y is 4x1x1x10 but dy is 4x1x1x9");
  CHECK_THROWS_AS(mean_squared_error(map)(x, dx), ShapeError);
  CHECK_THROWS_WITH(huber(map, 0), containing("has to be positive"));
}
