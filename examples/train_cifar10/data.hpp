// The images that are trained and tested on.
#pragma once

#include <filesystem>

#include "retrace/retrace.hpp"

struct Data {
  retrace::ImageSet train, test;
  retrace::Normalisation normalisation;  ///< of the training images
};

/// CIFAR-10 from `folder`; if that is empty from $RETRACE_CIFAR10 or data/cifar-10-batches-bin;
/// if there is neither, images drawn by the program. Only the first `train_images` and
/// `test_images` of them, unless that is 0.
/// @throws retrace::DataError if a file is missing or damaged.
Data load_data(std::filesystem::path folder, retrace::Index train_images,
               retrace::Index test_images);

/// Of that many images.
constexpr retrace::Shape batch_shape(retrace::Index images) { return {images, 32, 32, 3}; }
