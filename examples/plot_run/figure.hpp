// A figure: curves over the images that training has seen, as SVG.
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
};

struct Figure {
  std::string title;
  std::function<std::string(double)> format;  ///< a value as the axis and the tooltips write it
  bool from_zero;                             ///< the axis starts at 0
  std::vector<Curve> curves;

  bool empty() const;
};

/// Long curves are drawn as the means of a few hundred stretches; short ones with their points.
std::ostream& operator<<(std::ostream& out, const Figure& figure);

/// What HTML and SVG may hold: '<' is "&lt;".
std::string escaped(std::string_view text);

/// 12500 is "12.5 k", 3200000 is "3.2 M".
std::string thousands(double value);
