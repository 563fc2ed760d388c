// Loads labelled images of a set onto a device.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/train/augmentation.hpp"

namespace retrace::inline RETRACE_ISA {

/// Input images of a network with their class labels.
template <class T, Device D>
struct LabelledBatch {
  Tensor<T, D> x;  ///< [N,H,W,C], normalised
  std::vector<std::int32_t> labels;
};

namespace detail {

/// Loads a batch in parts, to save host memory. fill(pixels, some, labels) writes the chosen images
/// and appends their labels.
template <class T, Device D, class Fill>
LabelledBatch<T, D> load_in_parts(D& device, Shape shape, std::span<const Index> indices,
                                  Fill fill) {
  constexpr std::size_t at_once = 1024;
  const auto image_size = static_cast<std::size_t>(shape.h * shape.w * shape.c);
  LabelledBatch<T, D> batch{Tensor<T, D>(device, shape), {}};
  std::vector<T> pixels;
  for (std::size_t first = 0; first < indices.size(); first += at_once) {
    const auto some = indices.subspan(first, std::min(at_once, indices.size() - first));
    pixels.resize(some.size() * image_size);
    fill(std::span(pixels), some, batch.labels);
    upload(batch.x.view().images(static_cast<Index>(first), static_cast<Index>(some.size())),
           pixels);
  }
  return batch;
}

}  // namespace detail

/// Returns the chosen images as fill_batch writes them.
/// @throws as fill_batch does.
template <class T, Device D>
LabelledBatch<T, D> load_batch(D& device, const ImageSet& set, std::span<const Index> indices,
                               const PixelStatistics& normalisation,
                               const Augmentation& augmentation = {}) {
  const Shape shape{static_cast<Index>(indices.size()), set.height, set.width, set.channels};
  return detail::load_in_parts<T>(device, shape, indices,
                                  [&](auto pixels, auto some, auto& labels) {
                                    fill_batch(pixels, set, some, normalisation, augmentation);
                                    for (Index index : some)
                                      labels.push_back(set.labels[static_cast<std::size_t>(index)]);
                                  });
}

/// Reads the chosen images from a source. The result is bit-identical to that from memory.
/// @throws as fill_batch and the source do.
template <class T, Device D, ImageSource S>
LabelledBatch<T, D> load_batch(D& device, const S& source, std::span<const Index> indices,
                               const PixelStatistics& normalisation,
                               const Augmentation& augmentation = {}) {
  const ImageSet none = source.read({});
  const Shape shape{static_cast<Index>(indices.size()), none.height, none.width, none.channels};
  return detail::load_in_parts<T>(
      device, shape, indices, [&](auto pixels, auto some, auto& labels) {
        const ImageSet set = source.read(some);
        std::vector<Index> places(some.size());
        std::iota(places.begin(), places.end(), Index{0});
        fill_batch(pixels, set, places, normalisation, augmentation, some);
        labels.insert(labels.end(), set.labels.begin(), set.labels.end());
      });
}

}  // namespace retrace::inline RETRACE_ISA
