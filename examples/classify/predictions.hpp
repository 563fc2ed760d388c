// Predictions of a network for images.
#pragma once

#include <string>
#include <vector>

#include "confusion.hpp"
#include "inputs.hpp"

/// The result for one image. For a network that labels pixels, figures are means over the pixels
/// that have a class.
struct Prediction {
  retrace::Index sample = 0;
  std::int32_t label = no_class;  ///< the network's class of the image's label
  std::int32_t predicted = 0;
  double probability = 0;  ///< of the predicted class
  double loss = 0;         ///< −log of the probability of the label
  double accuracy = 0;
  std::vector<float> logits{};  ///< only if requested
};

struct Predictions {
  std::vector<Prediction> each;
  ConfusionMatrix matrix;
  double loss() const;
};

/// Classifies the first `count` samples. The result does not depend on the number of threads.
Predictions predict(Device& device, TrainedNet& trained, const Inputs& inputs, retrace::Index count,
                    bool with_logits);

/// Returns the predicted class of each pixel of a sample.
std::vector<std::int32_t> predicted_pixels(Device& device, TrainedNet& trained,
                                           const Inputs& inputs, retrace::Index sample);
