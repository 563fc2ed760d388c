// Cropping, flipping and normalising images on a GPU.
#pragma once

#include "retrace/cuda/elementwise.hpp"

namespace retrace::inline RETRACE_ISA {

/// Writes images `indices` of a set to `out`, each cropped and flipped by its own random draw.
/// Normalises them by `table`, [256, C], which holds the value of each pixel value. Bit-identical
/// to train/augmentation.hpp on the host.
/// @pre out is packed, and every index names an image of the set.
template <class T>
void augment_images(View<T, Cuda> out, View<const std::uint8_t, Cuda> set,
                    View<const std::int64_t, Cuda> indices, ConstView<T, Cuda> table,
                    const CropFlips& crops) {
  out.device().run(sweep_work<T>(out.shape(), 1), [&](kernels::Context& on) {
    kernels::augment<T>(on, cuda::images(out), set.data(), indices.data(), table.data(), crops);
  });
}

}  // namespace retrace::inline RETRACE_ISA
