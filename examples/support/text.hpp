// How numbers and lists are written on a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

/// 1.2345 with 2 digits is "1.23".
std::string fixed(double value, int digits);

/// 0.4312 is "43.1 %".
std::string percent(double share);

/// 75 is "1:15", 3675 is "1:01:15".
std::string clock_time(double seconds);

/// "stored, checkpoint or reversible".
std::string one_of(const std::vector<std::string>& names);

/// The name that takes the fewest insertions, deletions and replacements to get from `text`.
std::string nearest(std::string_view text, const std::vector<std::string>& names);

/// "parameter_gradient" is "parameter gradient".
std::string spaced(std::string_view name);

/// 12345678 is "12.3 MB".
std::string megabytes(std::size_t bytes);
