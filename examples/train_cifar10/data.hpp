// The images that are trained and tested on.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <variant>

#include "network.hpp"
#include "retrace/retrace.hpp"

/// In memory, or in their files.
using Images = std::variant<retrace::ImageSet, retrace::Cifar10Files>;

retrace::Index size(const Images& images);
/// Of the data set: "CIFAR-10".
std::string name(const Images& images);

struct Data {
  Images train, test;
  retrace::Normalisation normalisation;  ///< of the training images
};

/// CIFAR-10 from `folder`; if that is empty from $RETRACE_CIFAR10 or data/cifar-10-batches-bin;
/// if there is neither, images drawn by the program. Only the first `train_images` and
/// `test_images` of them, unless that is 0.
/// @param in_files leaves the images in their files, but for those of a batch.
/// @throws retrace::DataError if a file is missing or damaged.
/// @throws std::invalid_argument if images are to stay in files, but there is no folder.
Data load_data(std::filesystem::path folder, retrace::Index train_images,
               retrace::Index test_images, bool in_files);

/// The chosen images on a device.
Batch load_images(Device& device, const Images& images, std::span<const retrace::Index> indices,
                  const retrace::Normalisation& normalisation,
                  const retrace::Augmentation& augmentation = {});

/// The same for the same images, wherever they are.
std::string checksum(const Data& data);

/// Of that many images.
constexpr retrace::Shape batch_shape(retrace::Index images) { return {images, 32, 32, 3}; }
