// Finds the files of a data set.
#pragma once

#include <utility>

#include "data_set.hpp"

/// @throws retrace::DataError that lists the formats if nothing of any is there.
DataFormat detect_format(const std::filesystem::path& path);

/// data_batch_*.bin and test_batch.bin, or train.bin and test.bin; test is empty if it is not
/// there.
struct CifarFiles {
  std::vector<std::filesystem::path> train, test;
};
CifarFiles find_cifar10(const std::filesystem::path& folder);
CifarFiles find_cifar100(const std::filesystem::path& folder);

/// Images and labels of a part; empty paths if it is not there.
struct IdxFiles {
  std::filesystem::path images, labels;
};
/// Those of training, and those of testing.
/// @throws retrace::DataError if images or labels of training are missing, or one of testing.
std::pair<IdxFiles, IdxFiles> find_idx(const std::filesystem::path& folder);

/// train.csv and test.csv of a folder, its only .csv file, or the file itself.
std::pair<std::filesystem::path, std::filesystem::path> find_csv(const std::filesystem::path& path);

/// Images in their files, part by part.
struct FoundPictures {
  std::vector<PictureFile> train, test;
  std::vector<std::string> classes{};
  std::vector<std::string> notes{};  ///< about files that are ignored
};
/// A folder for each class; or such folders within train and val, valid, validation or test.
/// @throws retrace::DataError if a class has no image or there is but one class.
FoundPictures find_classes(const std::filesystem::path& folder);
/// images and masks; or such folders within train and val, valid, validation or test. Image and
/// mask have the same name but for its ending.
/// @throws retrace::DataError if an image has no mask.
FoundPictures find_masks(const std::filesystem::path& folder);

/// The lines of the first of these files that is there, without empty ones; none if none is there.
std::vector<std::string> lines_of(const std::filesystem::path& folder,
                                  std::initializer_list<const char*> names);
