// Formats numbers and lists for a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Formats 1.2345 with 2 digits as "1.23".
std::string fixed(double value, int digits);

/// Formats 0.0005 as "0.0005" and 2 as "2".
std::string shortest(double value);

/// Formats 0.4312 as "43.1 %".
std::string percent(double share);

/// Formats 75 as "1:15" and 3675 as "1:01:15".
std::string clock_time(double seconds);

/// Joins names as "stored, checkpoint or reversible".
std::string one_of(const std::vector<std::string>& names);

/// Returns the name that can be reached from `text` with the fewest insertions, deletions and
/// replacements.
std::string nearest(std::string_view text, const std::vector<std::string>& names);

/// Converts "parameter_gradient" to "parameter gradient".
std::string spaced(std::string_view name);

/// Formats 12345678 as "12.3 MB".
std::string megabytes(std::size_t bytes);
