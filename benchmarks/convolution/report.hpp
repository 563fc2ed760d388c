// Prints the measurements as a table and as JSON.
#pragma once

#include <iosfwd>
#include <span>

#include "measurement.hpp"
#include "support/table.hpp"

namespace convolution {

/// Prints one line per shape and number of threads, with the three passes side by side.
void print_table(std::ostream& out, std::span<const Measurement> measurements,
                 benchmark::TableStyle style);
void print_json(std::ostream& out, std::span<const Measurement> measurements,
                const MeasureOptions& options);

}  // namespace convolution
