// What was measured, for people and for programs.
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

/// One line a configuration.
void print_table(std::ostream& out, std::span<const Measurement> measurements, TableStyle style);

void print_residence(std::ostream& out, std::span<const Residence> residences);

/// An array of one object a measurement.
void print_json(std::ostream& out, std::span<const Measurement> measurements);

/// Whether a figure keeps its limit.
struct Check {
  std::string text;
  bool passed;
};

std::vector<Check> checks(std::span<const Measurement> measurements,
                          std::span<const Residence> residences);

/// One line a check. Returns whether all passed.
bool print_checks(std::ostream& out, std::span<const Check> checks);

}  // namespace memory_table
