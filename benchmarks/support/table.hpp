// Tables for a terminal and for Markdown.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace benchmark {

enum class TableStyle { aligned, markdown };
using Line = std::vector<std::string>;

/// Formats a number: 1.2345 with 2 digits is "1.23".
std::string fixed(double value, int digits);

/// Prints lines with as many cells as the first one, which is the header. The first `names` columns
/// are text, the others numbers.
void print_lines(std::ostream& out, std::span<const Line> lines, std::size_t names,
                 TableStyle style);

}  // namespace benchmark
