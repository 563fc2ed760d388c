// Draws figures about reconstruction errors: those of Hascoet et al. (5, 6, 10 to 15) and of Gomez
// et al. (angle, curves), and those of exact streams and the drift guard.
//
//   build/benchmarks/numerical_error --list
//   build/benchmarks/numerical_error --figure 5 6 precision --out docs/numerics
//   build/benchmarks/numerical_error --data DIR                     all of them, which takes hours
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "figure.hpp"
#include "support/files.hpp"

namespace {

using namespace numerical_error;
using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> figures;
  std::filesystem::path data, out = ".";
  Settings settings;
  bool list = false;
};

std::vector<FigureMaker> all_figures() {
  std::vector<FigureMaker> all;
  for (const auto& group :
       {gain_figures(), ratio_figures(), precision_figures(), gradient_figures(),
        gradient_error_figures(), accuracy_figures(), overhead_figures()})
    all.insert(all.end(), group.begin(), group.end());
  return all;
}

void add_options(CLI::App& app, Options& options) {
  app.add_option("--figure", options.figures, "Figures to draw (default: all)")->type_name("NAME");
  app.add_flag("--list", options.list, "Print the names of the figures without drawing");
  app.add_option("--data", options.data,
                 "Folder of CIFAR-10 in its binary layout (default: synthetic images)")
      ->type_name("DIR");
  app.add_option("--out", options.out, "Folder for NAME.svg and NAME.json")
      ->capture_default_str()
      ->type_name("DIR");
  app.add_option("--steps", options.settings.steps,
                 "Steps of every training run (default: depends on the figure)")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", options.settings.batch, "Images per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seeds", options.settings.seeds,
                 "Runs per setting in figures guard and gradient-error")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", options.settings.threads, "Threads; 0 means one per processor")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

/// @throws std::invalid_argument if there is no figure of a given name.
std::vector<FigureMaker> chosen(const Options& options) {
  const std::vector<FigureMaker> all = all_figures();
  std::vector<FigureMaker> some;
  for (const std::string& name : options.figures) {
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const FigureMaker& each) { return each.name == name; });
    if (found == all.end())
      throw std::invalid_argument("there is no figure '" + name + "'; --list prints all names");
    some.push_back(*found);
  }
  return some.empty() ? all : some;
}

Json json(const Series& series) {
  Json y = Json::array();
  for (double value : series.y)
    y.push_back(std::isinf(value) ? Json(value > 0 ? "inf" : "-inf") : Json(value));
  return {{"label", series.label}, {"x", series.x}, {"y", y}};
}

Json json(const FigureMaker& maker, const Figure& figure) {
  Json plots = Json::array();
  for (const Plot& plot : figure.plots) {
    Json series = Json::array();
    for (const Series& each : plot.series) series.push_back(json(each));
    plots.push_back({{"title", plot.title},
                     {"x", plot.x.label},
                     {"y", plot.y.label},
                     {"series", std::move(series)}});
  }
  return {{"figure", maker.name},
          {"title", figure.title},
          {"how", figure.note},
          {"plots", std::move(plots)}};
}

void run(Options& options) {
  if (options.list) {
    for (const FigureMaker& each : all_figures())
      std::cout << each.name << "\t" << each.about << '\n';
    return;
  }
  const std::vector<FigureMaker> figures = chosen(options);
  std::filesystem::create_directories(options.out);
  options.settings.data = load_data(options.data);
  for (const FigureMaker& maker : figures) {
    // Opened first, to find an unwritable folder before the work.
    std::ofstream svg = benchmark::create((options.out / (maker.name + ".svg")).string()),
                  data = benchmark::create((options.out / (maker.name + ".json")).string());
    std::cerr << "figure " << maker.name << ": " << maker.about << '\n';
    const Figure figure = maker.make(options.settings);
    benchmark::draw_plots(svg, figure.title, figure.note, figure.plots);
    data << json(maker, figure).dump(2) << '\n';
  }
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Draws figures about reconstruction errors and how to prevent them.");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  }
}
