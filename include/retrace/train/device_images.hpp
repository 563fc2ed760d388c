// A data set in device memory, whose batches are made on the device.
#pragma once

#include <span>
#include <vector>

#include "retrace/core/tensor.hpp"
#include "retrace/train/batch.hpp"

namespace retrace::inline RETRACE_ISA {

/// Stores the pixels of a set on the device, one byte per element (Use::workspace), and crops,
/// flips and normalises images there. Requires a device that has augment_images.
template <class T, Device D>
class DeviceImages {
 public:
  /// @param set  must outlive this object and not move
  /// @throws ShapeError unless the normalisation has the channels of the set.
  DeviceImages(D& device, const ImageSet& set, const PixelStatistics& normalisation)
      : set_(set),
        normalisation_(normalisation),
        pixels_(device, {set.size(), set.height, set.width, set.channels}, Use::workspace),
        table_(device, {256, 1, 1, set.channels}, Use::workspace) {
    require_images("DeviceImages", set, {}, normalisation);
    for (Index image = 0; image < set.size(); ++image)
      upload(pixels_.view().images(image, 1), set.image(image));
    upload(table_.view(), std::span<const T>(normalised_values<T>(normalisation)));
  }

  /// Returns the chosen images as load_batch makes them on the host.
  /// @throws DataError if an index is out of range.
  LabelledBatch<T, D> batch(std::span<const Index> indices, const Augmentation& augmentation = {}) {
    require_images("DeviceImages::batch", set_, indices, normalisation_);
    D& device = pixels_.device();
    const auto count = static_cast<Index>(indices.size());
    LabelledBatch<T, D> made{Tensor<T, D>(device, {count, set_.height, set_.width, set_.channels}),
                             {}};
    Tensor<Index, D> chosen(device, per_channel(count), Use::workspace);
    upload(chosen.view(), indices);
    const Tensor<std::uint8_t, D>& pixels = pixels_;
    augment_images(made.x.view(), pixels.view(), View<const Index, D>(chosen.view()), table_.view(),
                   crop_flips(augmentation));
    for (Index index : indices) made.labels.push_back(set_.labels[static_cast<std::size_t>(index)]);
    return made;
  }

 private:
  const ImageSet& set_;
  PixelStatistics normalisation_;
  Tensor<std::uint8_t, D> pixels_;
  Tensor<T, D> table_;
};

}  // namespace retrace::inline RETRACE_ISA
