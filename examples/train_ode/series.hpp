// Time series with irregular times and missing values, read from a CSV file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

/// One series. A missing value is a NaN.
struct Series {
  std::string name;
  std::vector<double> times;                ///< increasing
  std::vector<std::vector<double>> values;  ///< one list per time, one entry per column
};

/// The columns to read.
struct SeriesColumns {
  std::string time;                 ///< empty: the first column
  std::vector<std::string> values;  ///< empty: all columns that are neither time nor series
  std::string series;               ///< whose entries name the series; empty: there is one
};

struct SeriesFile {
  std::vector<std::string> columns;  ///< names of the values
  std::vector<Series> series;
  std::size_t missing = 0;  ///< values that are missing
  bool dates = false;       ///< times were dates, and are in years
};

/// Reads a file with a header. Times are numbers, or dates as 2001-03-24 or 20010324, which become
/// years. An empty entry, "NA" or "nan" is a missing value; a row without any value is left out.
/// @throws retrace::DataError naming the line if an entry is wrong, times do not increase within a
///         series, or a series has fewer than two rows.
/// @throws std::invalid_argument if a column does not exist.
SeriesFile read_series(const std::filesystem::path& path, const SeriesColumns& columns);
