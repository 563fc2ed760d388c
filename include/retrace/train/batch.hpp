// Images of a set on a device, with their labels.
#pragma once

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
  const Shape shape{static_cast<Index>(indices.size()), set.height, set.width, set.channels};
  std::vector<T> pixels(static_cast<std::size_t>(shape.size()));
  fill_batch(std::span(pixels), set, indices, normalisation, augmentation);
  LabelledBatch<T, D> batch{Tensor<T, D>(device, shape), {}};
  upload(batch.x.view(), pixels);
  for (Index index : indices) batch.labels.push_back(set.labels[static_cast<std::size_t>(index)]);
  return batch;
}

}  // namespace retrace::inline RETRACE_ISA
