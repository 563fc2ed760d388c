// Finds, reads, checks and splits data sets of all formats.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string_view>

#include "picture_files.hpp"
#include "retrace/train/image_set.hpp"
#include "samples.hpp"

enum class DataFormat {
  cifar10,   ///< data_batch_*.bin and test_batch.bin
  cifar100,  ///< train.bin and test.bin
  idx,       ///< *train-images-idx3-ubyte, *train-labels-idx1-ubyte, the same of t10k or test; .gz
  csv,       ///< train.csv and test.csv, or one .csv file
  folder,    ///< a folder for each class, or such folders within train and test
  masks,     ///< images and masks, or such folders within train and test
};
inline constexpr std::array all_data_formats{DataFormat::cifar10, DataFormat::cifar100,
                                             DataFormat::idx,     DataFormat::csv,
                                             DataFormat::folder,  DataFormat::masks};
/// Returns the name on a command line, such as "cifar10".
std::string_view name(DataFormat format);

struct DataOptions {
  std::optional<DataFormat> format{};  ///< if omitted, detected
  double validation = 0;               ///< share of the training samples to test on; 0: a tenth if
                                       ///< there are no test samples, otherwise none
  retrace::Index train_samples = 0, test_samples = 0;  ///< the first ones; 0: all
  bool skip_bad = false;  ///< skips unreadable samples instead of throwing
  bool in_files = false;  ///< leaves CIFAR records in their files
  int threads = 1;        ///< threads that decode at the start

  std::optional<std::pair<retrace::Index, retrace::Index>> image_size{};  ///< height and width
  retrace::Index channels = 0;  ///< of PNG and JPEG images; 0: 1 if all are grey, otherwise 3
  PictureOptions pictures{};
  std::string label_column{};                 ///< label column of a table; see read_csv
  std::optional<retrace::Shape> row_shape{};  ///< shape of table rows; see usual_shape
};

struct DataSet {
  std::string name;  ///< "CIFAR-10", or the name of its folder
  std::shared_ptr<const Samples> train, test;
  std::vector<std::string> classes;         ///< names of the classes
  std::vector<std::uint64_t> class_counts;  ///< training labels per class
  retrace::PixelStatistics normalisation;   ///< normalisation of the training samples
  std::string checksum;
  std::vector<std::string> notes{};  ///< one line for each decision
  bool synthetic = false;            ///< drawn by the program

  bool labels_pixels() const { return train->labels_each() > 1; }
};

/// Reads a data set.
/// @throws retrace::DataError if a file or folder is missing, damaged or not of the format. The
///         message names it.
DataSet read_data_set(const std::filesystem::path& path, const DataOptions& options);

/// Splits, shortens, checks and surveys samples that were already read or drawn.
/// @param test     the test samples, or null
/// @param classes  the names of the classes; if empty, they are numbered
DataSet make_data_set(std::string name, std::shared_ptr<const Samples> train,
                      std::shared_ptr<const Samples> test, std::vector<std::string> classes,
                      const DataOptions& options);

/// Returns a set in memory as samples.
std::shared_ptr<const Samples> samples_of(retrace::ImageSet set);
