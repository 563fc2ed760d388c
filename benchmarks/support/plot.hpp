// Line plots as SVG: panels side by side, each with axes, curves and a legend.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "support/svg.hpp"

namespace benchmark {

/// A curve. Points with a y that is not finite, or not positive on a logarithmic axis, are skipped.
/// A curve without a label is not in the legend.
struct Series {
  std::string label;
  std::vector<double> x, y;
  bool line = true, dots = true, dashed = false;
  std::size_t colour = npos;  ///< palette index; default: the index of the series

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  void add(double at, double value) {
    x.push_back(at);
    y.push_back(value);
  }
};

struct Axis {
  std::string label;
  bool logarithmic = false;
};

struct Plot {
  std::string title;
  Axis x, y;
  std::vector<Series> series;
};

/// Maps the values of an axis to pixels, and selects its tick marks.
class PlotScale {
 public:
  PlotScale(bool logarithmic, double low, double high, double from, double to)
      : logarithmic_(logarithmic), from_(from), to_(to) {
    if (!(low <= high)) low = logarithmic ? 1 : 0, high = low;  // no points
    if (logarithmic) {
      low_ = std::floor(std::log10(low));
      high_ = std::max(std::ceil(std::log10(high)), low_ + 1);
      step_ = std::max(1.0, std::ceil((high_ - low_) / 8));
    } else {
      const double range = high > low ? high - low : std::max(std::abs(high), 1.0);
      const double decade = std::pow(10, std::floor(std::log10(range / 5)));
      const double share = range / 5 / decade;
      step_ = decade * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
      low_ = std::floor(low / step_) * step_;
      high_ = std::max(std::ceil(high / step_) * step_, low_ + step_);
    }
  }

  bool shows(double value) const { return std::isfinite(value) && (!logarithmic_ || value > 0); }
  double operator()(double value) const { return place(logarithmic_ ? std::log10(value) : value); }

  /// Calls mark(pixel, text) for round values.
  template <class Mark>
  void for_each_mark(Mark mark) const {
    const auto count = std::lround((high_ - low_) / step_);
    for (long i = 0; i <= count; ++i) {
      const double at = low_ + static_cast<double>(i) * step_;
      mark(place(at), text(logarithmic_ ? std::pow(10, at) : std::abs(at) < step_ / 2 ? 0 : at));
    }
  }

 private:
  double place(double at) const { return from_ + (at - low_) / (high_ - low_) * (to_ - from_); }
  static std::string text(double value) {
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%.4g", value);
    return digits.data();
  }

  bool logarithmic_;
  double from_, to_, low_ = 0, high_ = 1, step_ = 1;
};

/// Draws one panel with its upper left corner at (left, top).
class PlotPanel {
 public:
  static constexpr double width = 460, height = 300, title_height = 34, axis_height = 52,
                          legend_row = 20, margin = 74;

  static double total_height(const Plot& plot) {
    return title_height + height + axis_height +
           legend_row * static_cast<double>(
                            std::count_if(plot.series.begin(), plot.series.end(),
                                          [](const Series& each) { return !each.label.empty(); }));
  }

  PlotPanel(Svg& svg, const Plot& plot, double left, double top)
      : svg_(svg),
        plot_(plot),
        left_(left + margin),
        top_(top + title_height),
        x_(scale(plot.x, &Series::x, left_, left_ + width)),
        y_(scale(plot.y, &Series::y, top_ + height, top_)) {}

  void draw() {
    svg_.text(left_, top_ - 14, "start", plot_.title, bold);
    draw_axes();
    for (std::size_t i = 0; i < plot_.series.size(); ++i) draw(plot_.series[i], i);
  }

 private:
  PlotScale scale(const Axis& axis, std::vector<double> Series::*values, double from, double to) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Series& each : plot_.series)
      for (double value : each.*values)
        if (std::isfinite(value) && (!axis.logarithmic || value > 0)) {
          low = std::min(low, value);
          high = std::max(high, value);
        }
    return {axis.logarithmic, low, high, from, to};
  }

  void draw_axes() {
    y_.for_each_mark([&](double y, const std::string& text) {
      svg_.line(left_, y, left_ + width, y, grid_colour);
      svg_.text(left_ - 8, y + 4, "end", text, muted);
    });
    x_.for_each_mark([&](double x, const std::string& text) {
      svg_.line(x, top_, x, top_ + height, grid_colour);
      svg_.text(x, top_ + height + 18, "middle", text, muted);
    });
    svg_.text(left_ + width / 2, top_ + height + 38, "middle", plot_.x.label, muted);
    const std::string place = std::to_string(left_ - 56) + ' ' + std::to_string(top_ + height / 2);
    svg_.text(left_ - 56, top_ + height / 2, "middle", plot_.y.label,
              std::string(muted) + " transform=\"rotate(-90 " + place + ")\"");
  }

  void draw(const Series& series, std::size_t index) {
    constexpr std::array<std::string_view, 8> palette{"#2f6fc0", "#c4263b", "#2a9d72", "#d9963a",
                                                      "#8a5fb8", "#5d6b7a", "#c85fa0", "#7a9a2a"};
    const std::string_view colour =
        palette[(series.colour == Series::npos ? index : series.colour) % palette.size()];
    const std::string_view dashes = series.dashed ? "stroke-dasharray=\"6 4\"" : "";
    if (!series.label.empty()) draw_legend(series, colour, dashes);
    bool pen = false;
    double last_x = 0, last_y = 0;
    for (std::size_t i = 0; i < series.x.size(); ++i) {
      if (!x_.shows(series.x[i]) || !y_.shows(series.y[i])) {
        pen = false;
        continue;
      }
      const double x = x_(series.x[i]), y = y_(series.y[i]);
      if (series.line && pen) svg_.line(last_x, last_y, x, y, colour, 2, dashes);
      if (series.dots) svg_.dot(x, y, colour);
      pen = true;
      last_x = x;
      last_y = y;
    }
  }

  void draw_legend(const Series& series, std::string_view colour, std::string_view dashes) {
    const double row = top_ + height + axis_height + legend_row * legend_rows_++;
    if (series.line) svg_.line(left_, row, left_ + 26, row, colour, 2, dashes);
    if (series.dots) svg_.dot(left_ + 13, row, colour);
    svg_.text(left_ + 34, row + 4, "start", series.label);
  }

  Svg& svg_;
  const Plot& plot_;
  double left_, top_;
  PlotScale x_, y_;
  int legend_rows_ = 0;
};

/// Draws plots side by side under a title, with a note below.
inline void draw_plots(std::ostream& out, const std::string& title, const std::string& note,
                       std::span<const Plot> plots) {
  constexpr double top = 62, gap = 30;
  const double panel = PlotPanel::margin + PlotPanel::width + gap;
  double height = 0;
  for (const Plot& plot : plots) height = std::max(height, PlotPanel::total_height(plot));
  Svg svg(out, std::max(panel * static_cast<double>(plots.size()) + gap, 2 * gap + 700),
          top + height + 10);
  svg.text(gap, 30, "start", title, heading);
  svg.text(gap, 50, "start", note, muted);
  for (std::size_t i = 0; i < plots.size(); ++i)
    PlotPanel(svg, plots[i], gap / 2 + panel * static_cast<double>(i), top).draw();
}

}  // namespace benchmark
