#include "figure.hpp"

#include <algorithm>
#include <cmath>
#include <ostream>

#include "markup.hpp"
#include "text.hpp"

namespace {

constexpr double width = 560, height = 300, left = 64, right = 16, top = 36, bottom = 40;
constexpr std::size_t stretches = 300, most_dots = 60;

/// An axis whose round numbers span the values.
struct Axis {
  double from, step, to;

  Axis(double low, double high, double wanted_steps) {
    if (high <= low) high = low + std::max(std::abs(low), 1e-9);
    const double rough = (high - low) / wanted_steps;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    const double digit = rough / power;
    step = power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
    from = std::floor(low / step) * step;
    to = std::ceil(high / step) * step;
  }
  double share(double value) const { return (value - from) / (to - from); }
  int count() const { return static_cast<int>(std::lround((to - from) / step)); }
};

/// Returns the means of equal stretches if there are more points than a picture can show.
std::vector<Series::Point> thinned(const std::vector<Series::Point>& points) {
  if (points.size() <= stretches) return points;
  std::vector<Series::Point> means;
  for (std::size_t i = 0; i < stretches; ++i) {
    const std::size_t first = i * points.size() / stretches,
                      end = (i + 1) * points.size() / stretches;
    double sum = 0;
    for (std::size_t k = first; k < end; ++k) sum += points[k].value;
    means.push_back({points[end - 1].images, sum / static_cast<double>(end - first)});
  }
  return means;
}

struct Frame {
  Axis x, y;

  std::string place(Series::Point point) const {
    return fixed(left + x.share(point.images) * (width - left - right), 1) + ',' +
           fixed(height - bottom - y.share(point.value) * (height - top - bottom), 1);
  }
};

Frame frame_of(const Figure& figure, const std::vector<std::vector<Series::Point>>& curves) {
  double last = 0, low = figure.from_zero ? 0 : INFINITY, high = -INFINITY;
  for (const auto& curve : curves)
    for (Series::Point point : curve) {
      last = std::max(last, point.images);
      low = std::min(low, point.value);
      high = std::max(high, point.value);
    }
  return {Axis(0, last, 6), Axis(low, high, 5)};
}

void draw_axes(std::ostream& out, const Frame& frame, const Figure& figure) {
  for (int i = 0; i <= frame.y.count(); ++i) {
    const double value = frame.y.from + i * frame.y.step;
    const double y = height - bottom - frame.y.share(value) * (height - top - bottom);
    out << "<line class=\"grid\" x1=\"" << left << "\" x2=\"" << width - right << "\" y1=\""
        << fixed(y, 1) << "\" y2=\"" << fixed(y, 1) << "\"/><text class=\"tick\" x=\"" << left - 8
        << "\" y=\"" << fixed(y + 4, 1) << "\" text-anchor=\"end\">"
        << escaped(figure.format(value)) << "</text>\n";
  }
  for (int i = 0; i <= frame.x.count(); ++i) {
    const double value = frame.x.from + i * frame.x.step;
    const double x = left + frame.x.share(value) * (width - left - right);
    out << "<text class=\"tick\" x=\"" << fixed(x, 1) << "\" y=\"" << height - bottom + 18
        << "\" text-anchor=\"middle\">" << thousands(value) << "</text>\n";
  }
  out << "<text class=\"tick\" x=\"" << (left + width - right) / 2 << "\" y=\"" << height - 6
      << "\" text-anchor=\"middle\">images seen</text>\n";
}

void draw_curve(std::ostream& out, const Frame& frame, const Figure& figure, const Curve& curve,
                const std::vector<Series::Point>& points) {
  out << "<g stroke=\"" << curve.colour << "\" fill=\"" << curve.colour << '"'
      << (curve.faint ? " opacity=\"0.4\"" : "") << "><title>" << escaped(curve.name)
      << "</title><polyline fill=\"none\" points=\"";
  for (Series::Point point : points) out << frame.place(point) << ' ';
  out << "\"/>";
  if (points.size() <= most_dots)
    for (Series::Point point : points) {
      const std::string place = frame.place(point);
      const std::size_t comma = place.find(',');
      out << "<circle r=\"2.5\" cx=\"" << place.substr(0, comma) << "\" cy=\""
          << place.substr(comma + 1) << "\"><title>" << escaped(curve.name) << ": "
          << escaped(figure.format(point.value)) << "</title></circle>";
    }
  out << "</g>\n";
}

}  // namespace

bool Figure::empty() const {
  return std::all_of(curves.begin(), curves.end(),
                     [](const Curve& curve) { return curve.series->points.empty(); });
}

std::ostream& operator<<(std::ostream& out, const Figure& figure) {
  std::vector<std::vector<Series::Point>> curves;
  for (const Curve& curve : figure.curves) curves.push_back(thinned(curve.series->points));
  const Frame frame = frame_of(figure, curves);
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << width << ' ' << height
      << "\" role=\"img\" aria-label=\"" << escaped(figure.title)
      << "\">\n<text class=\"title\" x=\"" << left << "\" y=\"20\">" << escaped(figure.title)
      << "</text>\n";
  draw_axes(out, frame, figure);
  for (std::size_t i = 0; i < curves.size(); ++i)
    if (!curves[i].empty()) draw_curve(out, frame, figure, figure.curves[i], curves[i]);
  return out << "</svg>\n";
}

std::string thousands(double value) {
  const char* unit = "";
  for (const char* next : {" k", " M", " G"}) {
    if (std::abs(value) < 1000) break;
    value /= 1000;
    unit = next;
  }
  std::string digits = fixed(value, 2);
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.ends_with('.')) digits.pop_back();
  return digits + unit;
}
