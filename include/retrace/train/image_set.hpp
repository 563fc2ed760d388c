// Labelled images in memory, and the normalisation that suits them.
#pragma once

#include <omp.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "retrace/core/error.hpp"
#include "retrace/core/shape.hpp"

namespace retrace::inline RETRACE_ISA {

struct ImageSet {
  std::string name{};      ///< of the data set: "CIFAR-10"
  bool synthetic = false;  ///< drawn by the program: say so beside every accuracy
  Index height = 32, width = 32, channels = 3;
  std::vector<std::uint8_t> pixels{};  ///< size() x height x width x channels
  std::vector<std::uint8_t> labels{};  ///< the class of each image

  Index size() const { return static_cast<Index>(labels.size()); }
  Index image_size() const { return height * width * channels; }

  /// The height x width x channels bytes of one image.
  std::span<const std::uint8_t> image(Index index) const {
    const auto length = static_cast<std::size_t>(image_size());
    return std::span(pixels).subspan(static_cast<std::size_t>(index) * length, length);
  }
};

/// Takes each channel of a set to mean 0 and deviation 1: (pixel - mean) * inverse_deviation.
struct Normalisation {
  std::vector<double> mean;               ///< per channel, in pixel values 0 to 255
  std::vector<double> inverse_deviation;  ///< per channel; 1 where all pixels are equal
};

/// The mean and the (biased) deviation of each channel over all pixels of all images.
///
/// Computed from histograms, so it is exact up to the last roundings and the same for any number
/// of threads.
/// @throws DataError if there are no images.
inline Normalisation normalisation(const ImageSet& set) {
  if (set.pixels.empty()) throw DataError("normalisation: '" + set.name + "' has no images");
  const auto channels = static_cast<std::size_t>(set.channels);
  const auto pixel_count = static_cast<Index>(set.pixels.size() / channels);

  const std::size_t values = channels * 256;
  // One of each thread, made here: memory that runs out in a parallel region ends the program.
  std::vector<std::uint64_t> histograms(static_cast<std::size_t>(omp_get_max_threads()) * values);
#pragma omp parallel
  {
    std::uint64_t* mine =
        histograms.data() + static_cast<std::size_t>(omp_get_thread_num()) * values;
#pragma omp for
    for (Index pixel = 0; pixel < pixel_count; ++pixel)
      for (std::size_t c = 0; c < channels; ++c)
        ++mine[c * 256 + set.pixels[static_cast<std::size_t>(pixel) * channels + c]];
  }
  for (std::size_t i = values; i < histograms.size(); ++i) histograms[i % values] += histograms[i];

  Normalisation result;
  const auto average = [&](std::size_t c, auto function) {
    double sum = 0;
    for (std::size_t value = 0; value < 256; ++value)
      sum +=
          static_cast<double>(histograms[c * 256 + value]) * function(static_cast<double>(value));
    return sum / static_cast<double>(pixel_count);
  };
  for (std::size_t c = 0; c < channels; ++c) {
    const double mean = average(c, [](double value) { return value; });
    const double variance =
        average(c, [mean](double value) { return (value - mean) * (value - mean); });
    result.mean.push_back(mean);
    result.inverse_deviation.push_back(variance > 0 ? 1 / std::sqrt(variance) : 1);
  }
  return result;
}

}  // namespace retrace::inline RETRACE_ISA
