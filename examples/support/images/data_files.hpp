// Finds the files of a data set.
#pragma once

#include <utility>

#include "data_set.hpp"

/// Returns the format of the data at a path.
/// @throws retrace::DataError if no format matches. The message lists the formats.
DataFormat detect_format(const std::filesystem::path& path);

/// The files data_batch_*.bin and test_batch.bin, or train.bin and test.bin. `test` is empty if its
/// file does not exist.
struct CifarFiles {
  std::vector<std::filesystem::path> train, test;
};
CifarFiles find_cifar10(const std::filesystem::path& folder);
CifarFiles find_cifar100(const std::filesystem::path& folder);

/// The files of images and labels of a part. The paths are empty if the part does not exist.
struct IdxFiles {
  std::filesystem::path images, labels;
};
/// Returns the files of training and of testing.
/// @throws retrace::DataError if a training file is missing, or only one of the test files exists.
std::pair<IdxFiles, IdxFiles> find_idx(const std::filesystem::path& folder);

/// Returns train.csv and test.csv of a folder, its only .csv file, or the given file itself.
std::pair<std::filesystem::path, std::filesystem::path> find_csv(const std::filesystem::path& path);

/// The image files of each part.
struct FoundPictures {
  std::vector<PictureFile> train, test;
  std::vector<std::string> classes{};
  std::vector<std::string> notes{};  ///< about files that are ignored
};
/// Finds a folder for each class, or such folders within train and val, valid, validation or test.
/// @throws retrace::DataError if a class has no image or there is only one class.
FoundPictures find_classes(const std::filesystem::path& folder);
/// Finds folders images and masks, or such folders within train and val, valid, validation or test.
/// The names of an image and its mask differ only in the extension.
/// @throws retrace::DataError if an image has no mask.
FoundPictures find_masks(const std::filesystem::path& folder);

/// Returns the non-empty lines of the first existing file, or no lines if no file exists.
std::vector<std::string> lines_of(const std::filesystem::path& folder,
                                  std::initializer_list<const char*> names);
