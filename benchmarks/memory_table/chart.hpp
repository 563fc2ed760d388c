// Draws the measurements as a chart.
#pragma once

#include <iosfwd>
#include <span>

#include "measurement.hpp"

namespace memory_table {

/// Draws an SVG document: bars of bytes per input pixel at 32 x 32 with the paper's figures marked,
/// and curves of bytes over the depth of the network.
void print_chart(std::ostream& out, std::span<const Measurement> measurements,
                 std::span<const DepthCurve> curves);

}  // namespace memory_table
