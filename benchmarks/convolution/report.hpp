// What was measured, for people and for programs.
#pragma once

#include <iosfwd>
#include <span>

#include "measurement.hpp"
#include "support/table.hpp"

namespace convolution {

/// A line a shape and number of threads; the three passes stand beside one another.
void print_table(std::ostream& out, std::span<const Measurement> measurements,
                 benchmark::TableStyle style);
void print_json(std::ostream& out, std::span<const Measurement> measurements,
                const MeasureOptions& options);

}  // namespace convolution
