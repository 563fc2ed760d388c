// What was measured, for people and for programs.
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
/// The step time over the batch and over the depth, with the lines through the points: needs both.
void print_chart(std::ostream& out, const Results& results);

}  // namespace step_time
