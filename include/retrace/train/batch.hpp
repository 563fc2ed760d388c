// Images of a set on a device, with their labels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/train/augmentation.hpp"

namespace retrace::inline RETRACE_ISA {

template <class T, Device D>
struct LabelledBatch {
  Tensor<T, D> x;  ///< [N,H,W,C], normalised
  std::vector<std::uint8_t> labels;
};

/// The chosen images, as fill_batch makes them.
/// @throws as fill_batch does.
template <class T, Device D>
LabelledBatch<T, D> load_batch(D& device, const ImageSet& set, std::span<const Index> indices,
                               const Normalisation& normalisation,
                               const Augmentation& augmentation = {}) {
  constexpr std::size_t at_once = 1024;  // images in host memory beside the batch
  const Shape shape{static_cast<Index>(indices.size()), set.height, set.width, set.channels};
  LabelledBatch<T, D> batch{Tensor<T, D>(device, shape), {}};
  std::vector<T> pixels;
  for (std::size_t first = 0; first < indices.size(); first += at_once) {
    const auto some = indices.subspan(first, std::min(at_once, indices.size() - first));
    pixels.resize(some.size() * static_cast<std::size_t>(set.image_size()));
    fill_batch(std::span(pixels), set, some, normalisation, augmentation);
    upload(batch.x.view().images(static_cast<Index>(first), static_cast<Index>(some.size())),
           pixels);
  }
  for (Index index : indices) batch.labels.push_back(set.labels[static_cast<std::size_t>(index)]);
  return batch;
}

}  // namespace retrace::inline RETRACE_ISA
