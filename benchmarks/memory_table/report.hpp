// Prints the measurements as a table and as JSON, and checks limits.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "measurement.hpp"
#include "resident.hpp"
#include "support/table.hpp"

namespace memory_table {

using benchmark::TableStyle;

/// Prints one line per configuration.
void print_table(std::ostream& out, std::span<const Measurement> measurements, TableStyle style);

void print_residence(std::ostream& out, std::span<const Residence> residences);

/// Prints an array with one object per measurement.
void print_json(std::ostream& out, std::span<const Measurement> measurements);

/// Whether a measurement is within its limit.
struct Check {
  std::string text;
  bool passed;
};

std::vector<Check> checks(std::span<const Measurement> measurements,
                          std::span<const Residence> residences);

/// Prints one line per check. Returns whether all passed.
bool print_checks(std::ostream& out, std::span<const Check> checks);

}  // namespace memory_table
