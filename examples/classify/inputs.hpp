// The images to classify: a data set, or a file.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "data_set.hpp"
#include "trained_net.hpp"

struct InputOptions {
  std::filesystem::path path;
  std::optional<DataFormat> format;
  std::string part = "test", label_column;
  double validation = 0;  ///< 0: that of the training
};

struct Inputs {
  std::shared_ptr<const Samples> samples;
  std::vector<std::int32_t> label_of;  ///< the network's class of each class of the samples
  bool labelled = true;
  bool is_file = false;  ///< a file of images, not a data set
};

/// Reads a data set of any format, a CIFAR-10 file (.bin), or one PNG, JPEG or PPM image.
/// @throws retrace::DataError if it cannot be read, has other shapes than the network, or a class
///         that the network does not know.
Inputs read_inputs(const InputOptions& options, const TrainedNet& trained);
