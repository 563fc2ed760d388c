// Labelled images in memory or elsewhere, and their normalisation.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/core/shape.hpp"
#include "retrace/core/thread_team.hpp"

namespace retrace::inline RETRACE_ISA {

/// Labelled images in memory, one byte per element.
struct ImageSet {
  std::string name{};      ///< name of the data set, such as "CIFAR-10"
  bool synthetic = false;  ///< drawn by the program; report this with every accuracy
  Index height = 32, width = 32, channels = 3;
  std::vector<std::uint8_t> pixels{};  ///< size() x height x width x channels
  std::vector<std::int32_t> labels{};  ///< the class of each image
  std::int32_t classes = 0;            ///< number of classes; 0 if not known

  Index size() const { return static_cast<Index>(labels.size()); }
  Index image_size() const { return height * width * channels; }

  /// Returns the height x width x channels bytes of one image.
  std::span<const std::uint8_t> image(Index index) const {
    const auto length = static_cast<std::size_t>(image_size());
    return std::span(pixels).subspan(static_cast<std::size_t>(index) * length, length);
  }
};

/// @throws DataError unless the pixels and the labels of the set are of equally many images.
inline void require_whole(const char* where, const ImageSet& set) {
  const auto extents = std::to_string(set.height) + "x" + std::to_string(set.width) + "x" +
                       std::to_string(set.channels);
  if (set.height < 1 || set.width < 1 || set.channels < 1)
    throw DataError(std::string(where) + ": the images of '" + set.name + "' are " + extents);
  if (static_cast<Index>(set.pixels.size()) != set.size() * set.image_size())
    throw DataError(std::string(where) + ": '" + set.name + "' has " +
                    std::to_string(set.pixels.size()) + " bytes of pixels, but " +
                    std::to_string(set.size()) + " labels of images of " + extents + " take " +
                    std::to_string(set.size() * set.image_size()));
}

/// @throws DataError unless the label of the image is a valid class.
inline void require_label(const char* where, const ImageSet& set, Index image) {
  const std::int32_t label = set.labels[static_cast<std::size_t>(image)];
  if (label < 0 || (set.classes > 0 && label >= set.classes))
    throw DataError(std::string(where) + ": image " + std::to_string(image) + " of '" + set.name +
                    "' has label " + std::to_string(label) + ", but labels go from 0" +
                    (set.classes > 0 ? " to " + std::to_string(set.classes - 1) : ""));
}

/// A source of images outside memory: read(indices) loads the chosen images in the order of
/// `indices`.
template <class S>
concept ImageSource = requires(const S& source, std::span<const Index> indices) {
  { source.size() } -> std::convertible_to<Index>;
  { source.read(indices) } -> std::same_as<ImageSet>;
};

/// Calls visit(set) for all images of a source, in sets of up to a thousand images.
template <ImageSource S, class Visit>
void for_each_part(const S& source, Visit visit) {
  std::vector<Index> indices(1024);
  for (Index first = 0; first < source.size(); first += static_cast<Index>(indices.size())) {
    indices.resize(std::min(indices.size(), static_cast<std::size_t>(source.size() - first)));
    std::iota(indices.begin(), indices.end(), first);
    visit(source.read(indices));
  }
}

/// Scales each channel to mean 0 and deviation 1: (pixel - mean) * inverse_deviation.
struct PixelStatistics {
  std::vector<double> mean;               ///< per channel, in pixel values 0 to 255
  std::vector<double> inverse_deviation;  ///< per channel; 1 if all pixels are equal
};

/// Counts of each pixel value in each channel. The counts are integers, so they do not depend on
/// the number of threads or the order of the images.
class PixelHistograms {
 public:
  /// Counts the pixels of a set.
  /// @throws DataError unless the set has the pixels of all its images.
  void add(const ImageSet& set) {
    require_whole("PixelHistograms", set);
    const auto channels = static_cast<std::size_t>(set.channels);
    const auto pixel_count = static_cast<Index>(set.pixels.size() / channels);
    const std::size_t values = channels * 256;
    counts_.resize(values);
    std::mutex adding;
    share_out(pixel_count, 1e-9 * static_cast<double>(set.pixels.size()),
              [&](Index first, Index last) {
                std::vector<std::uint64_t> part(values);
                for (Index pixel = first; pixel < last; ++pixel)
                  for (std::size_t c = 0; c < channels; ++c)
                    ++part[c * 256 + set.pixels[static_cast<std::size_t>(pixel) * channels + c]];
                const std::lock_guard lock(adding);
                for (std::size_t i = 0; i < values; ++i) counts_[i] += part[i];
              });
    pixels_ += pixel_count;
  }

  /// Returns the normalisation by the mean and (biased) deviation of each channel over all pixels.
  /// It is exact up to the final roundings.
  PixelStatistics statistics() const {
    PixelStatistics result;
    for (std::size_t c = 0; c * 256 < counts_.size(); ++c) {
      const double mean = average(c, [](double value) { return value; });
      const double variance =
          average(c, [mean](double value) { return (value - mean) * (value - mean); });
      result.mean.push_back(mean);
      result.inverse_deviation.push_back(variance > 0 ? 1 / std::sqrt(variance) : 1);
    }
    return result;
  }

 private:
  template <class Function>
  double average(std::size_t c, Function function) const {
    double sum = 0;
    for (std::size_t value = 0; value < 256; ++value)
      sum += static_cast<double>(counts_[c * 256 + value]) * function(static_cast<double>(value));
    return sum / static_cast<double>(pixels_);
  }

  std::vector<std::uint64_t> counts_{};  ///< channels x 256
  Index pixels_ = 0;
};

/// Returns the normalisation of all images of a set.
/// @throws DataError if there are no images.
inline PixelStatistics pixel_statistics(const ImageSet& set) {
  if (set.pixels.empty()) throw DataError("normalisation: '" + set.name + "' has no images");
  PixelHistograms histograms;
  histograms.add(set);
  return histograms.statistics();
}

/// Returns the normalisation of all images of a source. Reads every image once.
/// @throws DataError if there are no images.
template <ImageSource S>
PixelStatistics pixel_statistics(const S& source) {
  if (source.size() == 0) throw DataError("normalisation: there are no images");
  PixelHistograms histograms;
  for_each_part(source, [&](const ImageSet& part) { histograms.add(part); });
  return histograms.statistics();
}

}  // namespace retrace::inline RETRACE_ISA
