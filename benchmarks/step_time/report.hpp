// Prints the measurements as text, JSON and a chart.
#pragma once

#include <iosfwd>
#include <optional>

#include "measurement.hpp"

namespace step_time {

struct Results {
  Subject subject;
  Measurement step;
  std::optional<Scaling> scaling;
  std::optional<Beside> beside;
  std::optional<Curve> batch, depth;
};

void print_text(std::ostream& out, const Results& results);
void print_json(std::ostream& out, const Results& results);
/// Draws the step time over batch and depth with fitted lines. Both must have been measured.
void print_chart(std::ostream& out, const Results& results);

}  // namespace step_time
