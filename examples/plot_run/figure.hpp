// A figure as SVG: curves over the number of training images.
#pragma once

#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "training_log.hpp"

struct Curve {
  std::string name, colour;
  const Series* series;
  bool faint = false;  ///< drawn lightly, behind others
};

struct Figure {
  std::string title;
  std::function<std::string(double)> format;  ///< formats a value for the axis and the tooltips
  bool from_zero;                             ///< whether the axis starts at 0
  std::vector<Curve> curves;

  bool empty() const;
};

/// Draws a figure. Long curves show the means of a few hundred stretches, short ones all points.
std::ostream& operator<<(std::ostream& out, const Figure& figure);

/// Formats 12500 as "12.5 k" and 3200000 as "3.2 M".
std::string thousands(double value);
