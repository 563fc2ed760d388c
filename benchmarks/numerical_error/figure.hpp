// What a figure is made with and made of.
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

/// The images that networks are trained and measured on.
struct Data {
  retrace::ImageSet train, test;
  retrace::Normalisation normalisation;
};

/// CIFAR-10 from `folder`, or drawn images if that is empty.
/// @throws retrace::DataError
Data load_data(const std::filesystem::path& folder);

struct Settings {
  int threads = 0;
  std::optional<std::size_t> steps;  ///< of every training run; what the figure needs if left out
  retrace::Index batch = 32;
  int seeds = 3;  ///< runs of one kind, where a figure shows their spread
  Data data;
};

struct Figure {
  std::string title, note;  ///< the note says how it was made
  std::vector<Plot> plots;
};

/// A figure by the name that --figure gives it.
struct FigureMaker {
  std::string name, about;
  std::function<Figure(const Settings&)> make;
};

/// All that can be made: of noise gains, of ratios in networks, of precisions, of training, of
/// gradients' errors, and of what the guard costs.
std::vector<FigureMaker> gain_figures();
std::vector<FigureMaker> ratio_figures();
std::vector<FigureMaker> precision_figures();
std::vector<FigureMaker> gradient_figures();
std::vector<FigureMaker> gradient_error_figures();
std::vector<FigureMaker> accuracy_figures();
std::vector<FigureMaker> overhead_figures();

}  // namespace numerical_error
