#include "chart.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "support/svg.hpp"

namespace memory_table {

using namespace retrace;
using namespace benchmark;

namespace {

constexpr std::string_view paper_colour = "#c4263b";

std::string_view colour(std::string_view mode) {
  if (mode == "stored") return "#8b949e";
  if (mode.starts_with("fixed")) return "#8a5fb8";
  if (mode.starts_with("checkpoint")) return "#d9963a";
  return mode == "inverted" ? "#2a9d72" : "#2f6fc0";
}

std::string rounded(double value) { return std::to_string(std::llround(value)); }

/// An axis from 0 to a round number, at least the largest value, with round steps.
struct Scale {
  double step, end;

  explicit Scale(double largest)
      : step(largest > 4000 ? 1000 : 500), end(std::ceil(largest / step) * step) {}
};

/// Draws bars, grouped by network. Returns the y coordinate below the last one.
double draw_bars(Svg& svg, std::span<const Measurement> measurements, double top) {
  constexpr double names = 20, bars = 270, width = 370, row = 21, gap = 9;

  std::vector<const Measurement*> shown;
  double largest = 0, bottom = top + gap;
  for (const Measurement& each : measurements) {
    if (each.batch.h != small_extent) continue;
    bottom += row + (each.configuration.mode == "stored" && !shown.empty() ? gap : 0);
    shown.push_back(&each);
    largest = std::max(largest, each.bytes_per_pixel);
  }
  const Scale scale(largest);
  const auto x = [&](double bytes) { return bars + bytes / scale.end * width; };
  for (double tick = 0; tick <= scale.end; tick += scale.step) {
    svg.line(x(tick), top, x(tick), bottom, grid_colour);
    svg.text(x(tick), bottom + 18, "middle", rounded(tick), muted);
  }

  double y = top + gap / 2;
  for (const Measurement* each : shown) {
    const Configuration& configuration = each->configuration;
    if (configuration.mode == "stored") {
      if (each != shown.front()) y += gap;
      svg.text(names, y + 15, "start", name(configuration.architecture), bold);
    }
    svg.text(bars - 8, y + 15, "end", configuration.mode);
    svg.rectangle(bars, y + 3, x(each->bytes_per_pixel) - bars, row - 6,
                  colour(configuration.mode));
    double end = x(each->bytes_per_pixel);
    std::string figures = rounded(each->bytes_per_pixel);
    if (configuration.paper) {
      const double mark = x(configuration.paper->bytes_per_pixel);
      svg.line(mark, y, mark, y + row, paper_colour, 2.5);
      end = std::max(end, mark);
      figures += " <tspan fill=\"" + std::string(paper_colour) + "\">" +
                 rounded(configuration.paper->bytes_per_pixel) + "</tspan>";
    }
    svg.text(end + 6, y + 15, "start", figures);
    y += row;
  }
  return bottom;
}

/// Writes the mode next to the end of each curve, at least a line apart from one another.
template <class Y>
void label_curves(Svg& svg, std::span<const DepthCurve> curves, double end, Y y) {
  constexpr double line = 16;
  std::vector<const DepthCurve*> from_top;
  for (const DepthCurve& curve : curves) from_top.push_back(&curve);
  std::stable_sort(from_top.begin(), from_top.end(), [](const auto* a, const auto* b) {
    return a->bytes_per_pixel.back() > b->bytes_per_pixel.back();
  });
  double next = 0;
  for (const DepthCurve* curve : from_top) {
    const double at = y(curve->bytes_per_pixel.back());
    next = std::max(next, at);
    svg.line(end + 6, at, end + 18, next, colour(curve->mode));
    svg.text(end + 21, next + 4, "start", curve->mode);
    next += line;
  }
}

/// Draws one curve per mode, over the number of blocks per level.
void draw_curves(Svg& svg, std::span<const DepthCurve> curves, double top, double bottom) {
  constexpr double left = 770, width = 270;

  double largest = 0;
  std::size_t most = 0;
  for (const DepthCurve& curve : curves) {
    largest = std::max(
        largest, *std::max_element(curve.bytes_per_pixel.begin(), curve.bytes_per_pixel.end()));
    most = std::max(most, curve.bytes_per_pixel.size());
  }
  const Scale scale(largest);
  const auto x = [&](std::size_t blocks) {
    return left + width * static_cast<double>(blocks - 1) / static_cast<double>(most - 1);
  };
  const auto y = [&](double bytes) { return bottom - bytes / scale.end * (bottom - top); };
  for (double tick = 0; tick <= scale.end; tick += scale.step) {
    svg.line(left, y(tick), left + width, y(tick), grid_colour);
    svg.text(left - 8, y(tick) + 4, "end", rounded(tick), muted);
  }
  for (std::size_t blocks = 1; blocks <= most; ++blocks)
    svg.text(x(blocks), bottom + 18, "middle", std::to_string(blocks), muted);
  svg.text(left + width / 2, bottom + 40, "middle", "blocks per level", muted);

  for (const DepthCurve& curve : curves) {
    const std::vector<double>& bytes = curve.bytes_per_pixel;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (i > 0) svg.line(x(i), y(bytes[i - 1]), x(i + 1), y(bytes[i]), colour(curve.mode), 2);
      svg.dot(x(i + 1), y(bytes[i]), colour(curve.mode));
    }
  }
  label_curves(svg, curves, x(most), y);
}

}  // namespace

void print_chart(std::ostream& out, std::span<const Measurement> measurements,
                 std::span<const DepthCurve> curves) {
  constexpr double top = 64;
  double rows = 0;
  for (const Measurement& each : measurements)
    rows += each.configuration.mode == "stored" ? 30 : 21;
  Svg svg(out, 1180, top + std::max(300.0, rows / 2) + 60);
  svg.text(20, 28, "start", "Bytes per input pixel, measured", heading);
  svg.line(27, 38, 27, 54, paper_colour, 2.5);
  svg.text(36, 51, "start", "computed by Hascoet et al.; checkpoint: every √L layers", muted);
  svg.text(730, 28, "start", "RevNet: bytes per input pixel against depth", heading);
  svg.text(730, 51, "start", "predicted by dry runs", muted);
  const double bottom = draw_bars(svg, measurements, top);
  svg.text(270 + 185, bottom + 40, "middle", "bytes per input pixel at 32 × 32", muted);
  draw_curves(svg, curves, top, std::max(bottom, top + 300));
}

}  // namespace memory_table
