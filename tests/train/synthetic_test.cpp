// The drawn data set: repeatable, balanced, and out of reach of a linear classifier.
#include "retrace/train/synthetic.hpp"

#include <algorithm>
#include <array>
#include <cstddef>

#include "support/catch.hpp"

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 sees ghosts in the AVX-512 intrinsics.
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <Eigen/Cholesky>
#include <Eigen/Core>

using namespace retrace;

namespace {

/// Share of `test` that a ridge regression of the labels on the raw pixels of `train` gets right.
double linear_accuracy(const ImageSet& train, const ImageSet& test) {
  using Eigen::Index;  // which has 32 bits where addresses do
  using Matrix = Eigen::MatrixXf;
  const auto count = [](const ImageSet& set) { return static_cast<Index>(set.size()); };
  const auto features = [&](const ImageSet& set) {
    const auto pixels = static_cast<Index>(set.image_size());
    Matrix x(pixels + 1, count(set));  // a column an image, the last row for the bias
    for (Index i = 0; i < count(set); ++i)
      for (Index k = 0; k < pixels; ++k)
        x(k, i) = static_cast<float>(set.image(i)[static_cast<std::size_t>(k)]) / 64 - 2;
    x.row(pixels).setOnes();
    return x;
  };
  const Matrix x = features(train);
  Matrix targets = Matrix::Constant(10, count(train), -0.1f);
  for (Index i = 0; i < count(train); ++i)
    targets(train.labels[static_cast<std::size_t>(i)], i) = 0.9f;

  Matrix gram = x.transpose() * x;  // fewer images than pixels: solve for a weight an image
  gram.diagonal().array() += 3000;
  const Matrix weights = x * gram.llt().solve(targets.transpose());
  const Matrix scores = weights.transpose() * features(test);
  int right = 0;
  for (Index i = 0; i < count(test); ++i) {
    Index best = 0;
    scores.col(i).maxCoeff(&best);
    right += best == test.labels[static_cast<std::size_t>(i)];
  }
  return right / static_cast<double>(test.size());
}

/// Writes the label into an image where a linear classifier can read it.
ImageSet marked(ImageSet set) {
  for (Index i = 0; i < set.size(); ++i) {
    const Index first = i * set.image_size() + 96 * set.labels[static_cast<std::size_t>(i)];
    std::fill_n(&set.pixels[static_cast<std::size_t>(first)], 96, std::uint8_t{255});
  }
  return set;
}

}  // namespace

TEST_CASE("synthetic images are 32x32x3, named, and of ten equally frequent classes") {
  const ImageSet set = synthetic_images(200, 1);
  CHECK(set.name == "synthetic");
  CHECK(set.synthetic);
  CHECK(set.size() == 200);
  CHECK(set.pixels.size() == 200 * 3072);
  std::array<int, 10> counts{};
  for (std::int32_t label : set.labels) ++counts.at(label);
  for (int count : counts) CHECK(count == 20);
  CHECK(synthetic_images(0, 1).size() == 0);
}

TEST_CASE("an image depends on the seed and its index alone") {
  const ImageSet set = synthetic_images(60, 1);
  ImageSet fewer;
  share_out(1, 1, [&](Index, Index) {  // within a piece, work stays on one thread
    fewer = synthetic_images(30, 1);
  });
  CHECK(std::equal(fewer.pixels.begin(), fewer.pixels.end(), set.pixels.begin()));

  const ImageSet other = synthetic_images(60, 2);
  for (Index i = 0; i < set.size(); ++i) {
    CHECK_FALSE(std::ranges::equal(set.image(i), other.image(i)));
    for (Index j = 0; j < i; ++j) CHECK_FALSE(std::ranges::equal(set.image(i), set.image(j)));
  }
}

TEST_CASE("a linear classifier on raw pixels stays under 60 % on synthetic images") {
  const ImageSet train = synthetic_images(3000, 1), test = synthetic_images(500, 2);
  const double accuracy = linear_accuracy(train, test);
  CAPTURE(accuracy);
  CHECK(accuracy < 0.6);
  CHECK(linear_accuracy(marked(train), marked(test)) > 0.9);  // so it is not the classifier's fault
}
