#include "figure.hpp"

#include <array>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "retrace/cpu/operations.hpp"
#include "support/plot.hpp"
#include "text.hpp"

using namespace retrace;
using benchmark::Plot;

namespace {

/// The first column of a window in its own units, and what the model predicts.
Plot window_plot(const Options& options, const Windows& windows, Trainer& trainer,
                 const Window& window) {
  const Series& series = windows.file().series[window.series];
  const auto context = static_cast<std::size_t>(options.context);
  const std::size_t first = window.first + context;
  // Ticks have four digits.
  const double origin = windows.file().dates ? std::floor(series.times[window.first]) : 0;
  Plot plot{
      .title = series.name.empty() ? windows.file().columns[0] : series.name,
      .x = {.label = windows.file().dates ? "years after " + std::to_string(std::lround(origin))
                                          : "time"},
      .y = {.label = windows.file().columns[0]},
      .series = {}};
  benchmark::Series known{.label = "known", .x = {}, .y = {}, .line = false},
      to_predict{.label = "to be predicted", .x = {}, .y = {}, .line = false},
      predicted{.label = "predicted", .x = {}, .y = {}, .dots = false};
  for (std::size_t row = window.first; row < first; ++row)
    known.add(series.times[row] - origin, series.values[row][0]);
  const std::array<Window, 1> one{window};
  const auto batch = windows.batch(trainer.device(), one);
  const auto y = trainer.model().predict(batch);
  const double level = windows.level(window, 0), unit = windows.deviation(0);
  predicted.add(series.times[first - 1] - origin, level);
  for (std::size_t k = 0; k < static_cast<std::size_t>(options.horizon); ++k) {
    to_predict.add(series.times[first + k] - origin, series.values[first + k][0]);
    predicted.add(series.times[first + k] - origin,
                  level + unit * static_cast<double>(y.data()[k * windows.columns()]));
  }
  plot.series = {std::move(known), std::move(to_predict), std::move(predicted)};
  return plot;
}

Plot step_plot(const Options& options, const StepTimes& steps) {
  Plot plot{.title = "Steps of " + std::string(name(options.method)) + " in the last window",
            .x = {.label = "rows after the context"},
            .y = {.label = "step, in rows", .logarithmic = true},
            .series = {}};
  benchmark::Series sizes{.label = "", .x = {}, .y = {}, .line = true, .dots = false};
  for (Index i = 0; i < steps.size(); ++i) {
    const OdeStep step = steps.step(i);
    sizes.add(step.time, step.size);
    sizes.add(step.end, step.size);
  }
  plot.series = {std::move(sizes)};
  return plot;
}

}  // namespace

void draw_figure(const Options& options, const Windows& windows, Trainer& trainer) {
  const auto& all = windows.testing();
  std::vector<Plot> plots;
  for (std::size_t part : {0u, 1u, 2u})
    plots.push_back(window_plot(options, windows, trainer, all[part * (all.size() - 1) / 2]));
  plots.push_back(step_plot(options, trainer.model().steps()));
  std::ofstream out(options.plot);
  benchmark::draw_plots(out, "Predictions of dx/dt = f(t, x) on rows behind those of training",
                        options.data.filename().string() + ", " + std::to_string(options.context) +
                            " rows of context, " + std::to_string(options.horizon) +
                            " predicted rows",
                        plots);
  out.close();
  if (!out)
    throw std::system_error(errno, std::generic_category(),
                            options.plot.string() + " cannot be written");
}
