// The inputs and the parts of a figure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "float_networks.hpp"
#include "support/plot.hpp"

namespace numerical_error {

using benchmark::Axis, benchmark::Plot, benchmark::Series;
using Net = retrace::Chain<float, retrace::Cpu>;

/// The images for training and measuring networks.
struct Data {
  retrace::ImageSet train, test;
  retrace::PixelStatistics normalisation;
};

/// Loads CIFAR-10 from `folder`, or returns synthetic images if it is empty.
/// @throws retrace::DataError
Data load_data(const std::filesystem::path& folder);

struct Settings {
  int threads = 0;
  std::optional<std::size_t> steps;  ///< steps per training run; the figure's default if empty
  retrace::Index batch = 32;
  int seeds = 3;  ///< runs per setting in figures that show their spread
  Data data;
};

struct Figure {
  std::string title, note;  ///< the note describes how it was made
  std::vector<Plot> plots;
};

/// A figure with the name that --figure uses.
struct FigureMaker {
  std::string name, about;
  std::function<Figure(const Settings&)> make;
};

/// Return the available figures: noise gains, ratios in networks, precisions, training, gradient
/// errors, accuracy, and the overhead of the guard.
std::vector<FigureMaker> gain_figures();
std::vector<FigureMaker> ratio_figures();
std::vector<FigureMaker> precision_figures();
std::vector<FigureMaker> gradient_figures();
std::vector<FigureMaker> gradient_error_figures();
std::vector<FigureMaker> accuracy_figures();
std::vector<FigureMaker> overhead_figures();

}  // namespace numerical_error
