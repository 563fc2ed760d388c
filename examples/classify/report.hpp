// Results as text, JSON and pictures.
#pragma once

#include <iosfwd>

#include "predictions.hpp"

/// Prints a line for each image, with the logits if it has them.
void print_images(std::ostream& out, const Predictions& results, const TrainedNet& trained,
                  const Inputs& inputs);

/// Prints accuracy, loss, classes, the matrix, figures of each class and of each image as JSON.
void print_json(std::ostream& out, const Predictions& results, const TrainedNet& trained,
                const Inputs& inputs);

/// Draws the matrix as SVG. Each row is coloured by shares of its label.
void draw_matrix(std::ostream& out, const ConfusionMatrix& matrix,
                 const std::vector<std::string>& classes);

/// Draws the images with the highest losses as SVG, the worst first; for a network that labels
/// pixels, each with its mask and the predicted one.
void draw_worst(std::ostream& out, Device& device, const Predictions& results, TrainedNet& trained,
                const Inputs& inputs, std::size_t count);

/// Writes the predicted masks of all images as PNG files, named by number, into a folder.
/// @throws std::runtime_error if a file cannot be written.
void save_masks(const std::filesystem::path& folder, Device& device, const Predictions& results,
                TrainedNet& trained, const Inputs& inputs);
