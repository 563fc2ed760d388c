// A trained network with the names of its classes and the images that it takes.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fit.hpp"
#include "network.hpp"
#include "retrace/train/image_set.hpp"

struct TrainedNet {
  Net net;
  std::vector<std::string> classes;
  bool labels_pixels = false;
  retrace::Shape sample{1, 32, 32, 3};  ///< of the images, before padding
  retrace::Shape input{1, 32, 32, 3};   ///< of the network
  Fit fit = Fit::pad;
  retrace::PixelStatistics normalisation;
  double validation = 0;  ///< share of the samples that was not trained on; 0: see DataOptions
};

/// Builds the network that the metadata of a safetensors file describes, and loads its weights. The
/// network is for inference only. If the file names no classes and images, they are those of
/// CIFAR-10.
/// @throws retrace::DataError if the file or its metadata is damaged.
TrainedNet load_trained_net(Device& device, const std::filesystem::path& weights);
