#include "retrace/train/batch.hpp"

#include <array>
#include <span>
#include <vector>

#include "retrace/retrace.hpp"
#include "support/catch.hpp"
#include "support/tensors.hpp"

using namespace retrace;

TEST_CASE("a batch holds the chosen images, as fill_batch makes them, and their labels") {
  Cpu device;
  const ImageSet set = synthetic_images(20, 1);
  const PixelStatistics normal = pixel_statistics(set);
  const std::array<Index, 3> indices{7, 0, 12};
  const Augmentation augmentation{.crop_flip = true, .seed = 3, .epoch = 2};

  const auto [x, labels] = load_batch<float>(device, set, indices, normal, augmentation);

  std::vector<float> expected(3 * 32 * 32 * 3), loaded(expected.size());
  fill_batch(std::span(expected), set, indices, normal, augmentation);
  download(std::span(loaded), x.view());
  CHECK(x.shape() == Shape{3, 32, 32, 3});
  CHECK(loaded == expected);
  CHECK(labels == std::vector<std::int32_t>{7, 0, 2});
}

TEST_CASE("a batch of thousands is filled in parts") {
  Cpu device;
  const ImageSet set = synthetic_images(20, 1);
  std::vector<Index> indices(2500);
  for (std::size_t i = 0; i < indices.size(); ++i) indices[i] = static_cast<Index>(7 * i % 20);
  const auto [x, labels] = load_batch<float>(device, set, indices, pixel_statistics(set));
  std::vector<float> expected(indices.size() * 3072), loaded(expected.size());
  fill_batch(std::span(expected), set, indices, pixel_statistics(set));
  download(std::span(loaded), x.view());
  CHECK(loaded == expected);
  CHECK(labels.size() == indices.size());
}

namespace {

/// A set as if it lay elsewhere.
struct Elsewhere {
  const ImageSet& set;
  Index size() const { return set.size(); }
  ImageSet read(std::span<const Index> indices) const {
    ImageSet some{.name = set.name};
    for (Index index : indices) {
      some.labels.push_back(set.labels[static_cast<std::size_t>(index)]);
      some.pixels.insert(some.pixels.end(), set.image(index).begin(), set.image(index).end());
    }
    return some;
  }
};

}  // namespace

TEST_CASE("a batch of a source has the bits of one from memory, augmented by the same numbers") {
  Cpu device;
  const ImageSet set = synthetic_images(20, 1);
  const PixelStatistics normal = pixel_statistics(set);
  const std::array<Index, 4> indices{7, 0, 12, 7};
  const Augmentation augmentation{.crop_flip = true, .seed = 3, .epoch = 2};
  const auto [x, labels] = load_batch<float>(device, set, indices, normal, augmentation);
  const auto [y, same_labels] =
      load_batch<float>(device, Elsewhere{set}, indices, normal, augmentation);
  CHECK(test::same_bits(test::values(x), test::values(y)));
  CHECK(labels == same_labels);
}

TEST_CASE("a batch may be empty, but must not name an image that there is not") {
  Cpu device;
  const ImageSet set = synthetic_images(20, 1);
  const PixelStatistics normal = pixel_statistics(set);
  CHECK(load_batch<float>(device, set, {}, normal).x.shape() == Shape{0, 32, 32, 3});
  const std::array<Index, 1> beyond{20};
  CHECK_THROWS_AS(load_batch<float>(device, set, beyond, normal), DataError);
}

TEST_CASE("a set whose pixels or labels do not fit is refused before any of it is read") {
  Cpu device;
  const ImageSet set = synthetic_images(20, 1);
  const PixelStatistics normal = pixel_statistics(set);
  const std::array<Index, 2> some{18, 19};
  const auto load = [&](auto change) {
    ImageSet other = set;
    change(other);
    load_batch<float>(device, other, some, normal);
  };
  ImageSet grey{.name = "grey", .height = 28, .width = 28};  // of 3 channels, by default
  grey.pixels.assign(28 * 28 * 10, 7);
  grey.labels.assign(10, 1);
  CHECK_THROWS_AS(pixel_statistics(grey), DataError);
  CHECK_THROWS_WITH(
      pixel_statistics(grey),
      "PixelHistograms: 'grey' has 7840 bytes of pixels, but 10 labels of images of 28x28x3 take "
      "23520");
  CHECK_THROWS_AS(load([](ImageSet& other) { other.labels.push_back(1); }), DataError);
  CHECK_THROWS_AS(load([](ImageSet& other) { other.height = 100; }), DataError);
  CHECK_THROWS_WITH(load([](ImageSet& other) { other.width = 0; }), containing("32x0x3"));
  CHECK_THROWS_WITH(load([](ImageSet& other) { other.labels[19] = -3; }),
                    containing("image 19 of 'synthetic' has label -3, but labels go from 0"));
  CHECK_THROWS_WITH(load([](ImageSet& other) {
                      other.classes = 9;
                      other.labels[19] = 9;
                    }),
                    containing("has label 9, but labels go from 0 to 8"));
  CHECK_NOTHROW(load([](ImageSet& other) { other.labels[19] = 70000; }));
}
