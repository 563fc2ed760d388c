// Crops, flips, normalisation and shuffling of batches.
#include "retrace/train/augmentation.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include "support/catch.hpp"

using namespace retrace;

namespace {

/// Images of 6 x 5 x 2 whose bytes are all different within an image.
ImageSet small_set(Index count) {
  ImageSet set{.name = "small", .height = 6, .width = 5, .channels = 2};
  set.labels.resize(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i)
    for (Index k = 0; k < set.image_size(); ++k)
      set.pixels.push_back(static_cast<std::uint8_t>(1 + k + 3 * i));
  return set;
}

const PixelStatistics as_bytes{{0, 0}, {1, 1}};

template <class T>
std::vector<T> batch(const ImageSet& set, const std::vector<Index>& indices,
                     const PixelStatistics& stats, Augmentation augmentation = {}) {
  std::vector<T> out(indices.size() * static_cast<std::size_t>(set.image_size()), T(-1));
  fill_batch<T>(out, set, indices, stats, augmentation);
  return out;
}

std::vector<Index> first_indices(Index count) {
  std::vector<Index> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), Index{0});
  return indices;
}

}  // namespace

TEST_CASE("fill_batch without augmentation copies the chosen images in their order") {
  const ImageSet set = small_set(4);
  const auto out = batch<float>(set, {2, 0, 2}, as_bytes);
  const std::vector<Index> chosen{2, 0, 2};
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(std::equal(out.data() + i * 60, out.data() + (i + 1) * 60, set.image(chosen[i]).data()));
  CHECK(batch<float>(set, {}, as_bytes).empty());
}

TEST_CASE("fill_batch normalises each channel") {
  const ImageSet set = small_set(40);
  const PixelStatistics stats{{100, 20}, {0.5, 2}};
  const Augmentation augmentation = GENERATE(Augmentation{}, Augmentation{true, 3, 1});
  const auto raw = batch<double>(set, first_indices(40), as_bytes, augmentation);
  const auto out = batch<double>(set, first_indices(40), stats, augmentation);
  bool same = true;
  for (std::size_t k = 0; k < raw.size(); ++k)
    same = same && out[k] == (k % 2 == 0 ? (raw[k] - 100) * 0.5 : (raw[k] - 20) * 2);
  CHECK(same);
}

TEST_CASE("a training set normalised by its own statistics has mean 0 and variance 1") {
  const ImageSet set = small_set(50);
  const auto out = batch<double>(set, first_indices(50), pixel_statistics(set));
  for (std::size_t channel = 0; channel < 2; ++channel) {
    double sum = 0, squares = 0;
    for (std::size_t k = channel; k < out.size(); k += 2) sum += out[k], squares += out[k] * out[k];
    CHECK(std::abs(sum) / 1500 < 1e-13);
    CHECK(std::abs(squares / 1500 - 1) < 1e-13);
  }
}

TEST_CASE("crop and flip move every pixel to its place, and mirror the image beyond its edges") {
  const ImageSet set = small_set(64);
  const Augmentation augmentation{true, 11, 2};
  const auto out = batch<float>(set, first_indices(64), as_bytes, augmentation);
  bool same = true;
  for (Index i = 0; i < 64; ++i) {
    // By the book: pad by 4, cut out from (top, left) of the padded image, then flip.
    const Index row_at[14] = {4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 4, 3, 2, 1};
    const Index column_at[13] = {4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1, 0};
    const CropFlip crop = math::crop_flip(crop_flips(augmentation), i);
    std::vector<float> padded(14 * 13 * 2), cropped(60), expected(60);
    for (Index y = 0; y < 14; ++y)
      for (Index x = 0; x < 13; ++x)
        for (Index c = 0; c < 2; ++c)
          padded[static_cast<std::size_t>((y * 13 + x) * 2 + c)] =
              set.image(i)[static_cast<std::size_t>((row_at[y] * 5 + column_at[x]) * 2 + c)];
    for (Index y = 0; y < 6; ++y)
      for (Index k = 0; k < 10; ++k)
        cropped[static_cast<std::size_t>(y * 10 + k)] =
            padded[static_cast<std::size_t>((y + crop.top + 4) * 26 + (crop.left + 4) * 2 + k)];
    for (Index y = 0; y < 6; ++y)
      for (Index x = 0; x < 5; ++x)
        for (Index c = 0; c < 2; ++c)
          expected[static_cast<std::size_t>((y * 5 + x) * 2 + c)] =
              cropped[static_cast<std::size_t>((y * 5 + (crop.flip ? 4 - x : x)) * 2 + c)];
    same = same && std::equal(expected.begin(), expected.end(), out.data() + i * 60);
  }
  CHECK(same);
}

TEST_CASE("each of the 9 x 9 x 2 crops and flips comes up, about equally often") {
  std::array<int, 162> counts{};
  constexpr Index images = 162 * 100;
  const CropFlips crops = crop_flips({true, 5, 0});
  for (Index i = 0; i < images; ++i) {
    const CropFlip crop = math::crop_flip(crops, i);
    ++counts.at(static_cast<std::size_t>(((crop.top + 4) * 9 + crop.left + 4) * 2 + crop.flip));
  }
  double chi_squared = 0;  // with 161 degrees of freedom: 161 +- 18
  for (int count : counts) chi_squared += (count - 100.0) * (count - 100.0) / 100;
  CHECK(chi_squared < 161 + 4 * 18);
  CHECK(chi_squared > 161 - 4 * 18);
}

TEST_CASE("a crop is moved by no more than its padding, and by all of it at times") {
  for (std::uint32_t padding : {0u, 2u, 7u}) {
    const CropFlips crops = crop_flips({true, 5, 0, padding});
    Index least = 0, most = 0;
    for (Index i = 0; i < 500; ++i) {
      const CropFlip crop = math::crop_flip(crops, i);
      least = std::min({least, crop.top, crop.left});
      most = std::max({most, crop.top, crop.left});
    }
    CHECK(least == -Index{padding});
    CHECK(most == Index{padding});
  }
}

TEST_CASE("augmentation depends on seed, epoch and image, not on the batch or the threads") {
  const ImageSet set = small_set(48);
  const Augmentation augmentation{true, 1, 7};
  const auto all = batch<float>(set, first_indices(48), as_bytes, augmentation);

  const std::vector<Index> few{30, 4, 47, 4};
  std::vector<float> part;
  share_out(1, 1, [&](Index, Index) {  // within a piece, work stays on one thread
    part = batch<float>(set, few, as_bytes, augmentation);
  });
  for (std::size_t i = 0; i < few.size(); ++i)
    CHECK(std::equal(part.data() + i * 60, part.data() + (i + 1) * 60, all.data() + few[i] * 60));

  CHECK(all != batch<float>(set, first_indices(48), as_bytes, {true, 2, 7}));
  CHECK(all != batch<float>(set, first_indices(48), as_bytes, {true, 1, 8}));
}

TEST_CASE("fill_batch refuses what does not fit") {
  const ImageSet set = small_set(4);
  std::vector<float> out(60);
  const auto fill = [&](std::vector<Index> indices, const PixelStatistics& stats) {
    fill_batch<float>(out, set, indices, stats);
  };
  CHECK_NOTHROW(fill({3}, as_bytes));
  CHECK_THROWS_AS(fill({0, 1}, as_bytes), ShapeError);
  CHECK_THROWS_AS(fill({0}, PixelStatistics{{0}, {1}}), ShapeError);
  CHECK_THROWS_AS(fill({4}, as_bytes), DataError);
  CHECK_THROWS_AS(fill({-1}, as_bytes), DataError);
}

TEST_CASE("shuffled gives a permutation of its own for each seed and epoch") {
  const auto order = shuffled(1000, 3, 1);
  CHECK(order == shuffled(1000, 3, 1));
  CHECK(order != shuffled(1000, 3, 2));
  CHECK(order != shuffled(1000, 4, 1));
  CHECK(order != first_indices(1000));
  auto sorted = order;
  std::sort(sorted.begin(), sorted.end());
  CHECK(sorted == first_indices(1000));
  CHECK(shuffled(0, 1, 0).empty());
  CHECK(shuffled(1, 1, 0) == std::vector<Index>{0});
  CHECK_THROWS_AS(shuffled(-1, 1, 0), std::invalid_argument);
}

TEST_CASE("shuffled gives every permutation of four about equally often") {
  std::array<int, 256> counts{};
  for (std::uint32_t epoch = 0; epoch < 2400; ++epoch) {
    const auto order = shuffled(4, 9, epoch);
    ++counts.at(
        static_cast<std::size_t>(((order[0] * 4 + order[1]) * 4 + order[2]) * 4 + order[3]));
  }
  CHECK(std::count(counts.begin(), counts.end(), 0) == 256 - 24);
  double chi_squared = 0;  // with 23 degrees of freedom: 23 +- 6.8
  for (int count : counts)
    if (count) chi_squared += (count - 100.0) * (count - 100.0) / 100;
  CHECK(chi_squared < 23 + 4 * 6.8);
}
