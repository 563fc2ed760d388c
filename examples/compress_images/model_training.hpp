// Trains an integer flow on the images that it is to pack.
#pragma once

#include <functional>

#include "integer_flow.hpp"
#include "raw_images.hpp"

struct ModelTraining {
  retrace::Index steps = 2000, batch = 64;
  double rate = 2e-3;  ///< the highest rate of a one-cycle schedule
  std::uint64_t seed = 0;
  /// Called after some steps with the mean bits per dimension since the last call.
  std::function<void(retrace::Index step, double bits)> report{};
};

/// @throws std::runtime_error if the bits per dimension are not finite.
void train_model(IntegerFlow& flow, const RawImages& images, const ModelTraining& options);
