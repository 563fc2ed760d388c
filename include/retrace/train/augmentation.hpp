// Shuffles images, crops and flips each at random, and normalises them into batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/core/shape.hpp"
#include "retrace/core/thread_team.hpp"
#include "retrace/math/crop_flip.hpp"
#include "retrace/math/philox.hpp"
#include "retrace/train/image_set.hpp"

namespace retrace::inline RETRACE_ISA {

/// Random changes of training images. They depend on (seed, epoch, index of the image), but not on
/// the batch of the image or the number of threads.
struct Augmentation {
  bool crop_flip = false;
  std::uint64_t seed = 0;
  std::uint32_t epoch = 0;
  std::uint32_t padding = CropFlips{}.padding;  ///< largest shift of a crop, in pixels
};

/// Returns the crops and flips of an augmentation.
constexpr CropFlips crop_flips(const Augmentation& augmentation) {
  return {augmentation.crop_flip, augmentation.seed, substream("augmentation", augmentation.epoch),
          augmentation.padding};
}

/// Throws unless the set has the pixels of all its images, the normalisation has the set's
/// channels, and every index refers to an image with a valid label.
inline void require_images(const char* where, const ImageSet& set, std::span<const Index> indices,
                           const PixelStatistics& normalisation) {
  require_whole(where, set);
  const auto channels = static_cast<std::size_t>(set.channels);
  if (normalisation.mean.size() != channels || normalisation.inverse_deviation.size() != channels)
    throw ShapeError(std::string(where) + ": the images have " + std::to_string(channels) +
                     " channels but the normalisation has " +
                     std::to_string(normalisation.mean.size()));
  for (Index index : indices) {
    if (index < 0 || index >= set.size())
      throw DataError(std::string(where) + ": there is no image " + std::to_string(index) +
                      " in '" + set.name + "', which has " + std::to_string(set.size()));
    require_label(where, set, index);
  }
}

/// Returns the normalised value of each of 256 pixel values, [256, C].
template <class T>
std::vector<T> normalised_values(const PixelStatistics& normalisation) {
  const std::size_t channels = normalisation.mean.size();
  std::vector<T> table(256 * channels);
  for (std::size_t value = 0; value < 256; ++value)
    for (std::size_t c = 0; c < channels; ++c)
      table[value * channels + c] =
          static_cast<T>((static_cast<double>(value) - normalisation.mean[c]) *
                         normalisation.inverse_deviation[c]);
  return table;
}

/// Writes the chosen images, augmented and normalised, in NHWC order.
///
/// The raw image is padded with its mirror image, cropped, flipped, and then normalised. The more
/// common black padding would give augmented images other statistics than test images.
/// @param out      indices.size() x height x width x channels elements.
/// @param numbers  numbers that determine the randomness of each image; `indices` if omitted.
/// @throws ShapeError if the size of `out` or `numbers` or the channels of `normalisation` are
///         wrong.
/// @throws DataError if an index or a label is out of range, or the set lacks pixels.
template <class T>
void fill_batch(std::span<T> out, const ImageSet& set, std::span<const Index> indices,
                const PixelStatistics& normalisation, Augmentation augmentation = {},
                std::span<const Index> numbers = {}) {
  if (numbers.empty()) numbers = indices;
  const auto channels = static_cast<std::size_t>(set.channels);
  const auto image_size = static_cast<std::size_t>(set.image_size());
  if (out.size() != indices.size() * image_size)
    throw ShapeError("fill_batch: out has " + std::to_string(out.size()) + " elements but " +
                     std::to_string(indices.size()) + " images have " +
                     std::to_string(indices.size() * image_size));
  if (numbers.size() != indices.size())
    throw ShapeError("fill_batch: " + std::to_string(indices.size()) + " images have " +
                     std::to_string(numbers.size()) + " numbers");
  require_images("fill_batch", set, indices, normalisation);

  const std::vector<T> normalised = normalised_values<T>(normalisation);
  const CropFlips crops = crop_flips(augmentation);
  const double seconds = 1e-9 * static_cast<double>(out.size());
  share_out(static_cast<Index>(indices.size()), seconds, [&](Index first, Index last) {
    for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(last); ++i) {
      const std::uint8_t* image = set.image(indices[i]).data();
      const CropFlip crop = math::crop_flip(crops, numbers[i]);
      T* to = out.data() + i * image_size;
      for (Index row = 0; row < set.height; ++row) {
        const Index y = math::mirrored(crop.top + row, set.height);
        for (Index column = 0; column < set.width; ++column) {
          const Index x =
              math::mirrored(crop.left + (crop.flip ? set.width - 1 - column : column), set.width);
          const std::uint8_t* pixel = image + (y * set.width + x) * set.channels;
          for (std::size_t c = 0; c < channels; ++c) *to++ = normalised[pixel[c] * channels + c];
        }
      }
    }
  });
}

/// Returns the indices 0 to count - 1 in a random order that depends on (seed, epoch), by a
/// Fisher-Yates shuffle.
/// @throws std::invalid_argument if count is negative or over 2^32 - 1.
inline std::vector<Index> shuffled(Index count, std::uint64_t seed, std::uint32_t epoch) {
  if (count < 0 || count > Index{Random::max()})
    throw std::invalid_argument("shuffled: cannot order " + std::to_string(count) + " images");
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  Random random(seed, substream("shuffle", epoch));
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[random.below(static_cast<std::uint32_t>(left))]);
  return order;
}

}  // namespace retrace::inline RETRACE_ISA
