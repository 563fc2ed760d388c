// Tables of numbers as text: CSV.
#pragma once

#include <filesystem>
#include <optional>

#include "samples.hpp"

/// A table with one sample per row: numbers, and the name of the class in one column.
struct CsvTable {
  std::string name;                  ///< name of the file
  std::vector<std::string> columns;  ///< all names; empty if the file has no header
  std::size_t label_column;
  std::size_t features;              ///< numbers per row
  std::vector<float> values;         ///< row after row
  std::vector<std::string> classes;  ///< class of each row
  std::vector<std::size_t> lines;    ///< line of each row in the file
};

/// Reads fields separated by commas, semicolons or tabs, with or without quotes. The first line may
/// contain the names of the columns.
/// @param label_column  its name, or its number from 1; if empty, the column named label, class,
///                      target or species, otherwise the last
/// @throws retrace::DataError if a field is not a finite number or a row has another number of
///         fields than the first. The message names the file and the line.
CsvTable read_csv(const std::filesystem::path& path, const std::string& label_column);

/// Returns all classes, sorted numerically if they are numbers, otherwise alphabetically.
/// @throws retrace::DataError if there are more than 10,000.
std::vector<std::string> classes_of(const CsvTable& table);

/// Returns the image shape of a row. A row of k x k values from 0 to 255 with k at least 8 is a
/// grey image of k x k pixels. Any other row is one pixel with a channel for each value.
retrace::Shape usual_shape(const CsvTable& table);

/// Returns the rows of a table as samples.
/// @param classes  in the order of their labels
/// @throws retrace::DataError if a row has another class. The message names the file and the line.
/// @throws std::invalid_argument if the number of elements of the shape differs from that of a row.
std::shared_ptr<const Samples> table_samples(CsvTable table,
                                             const std::vector<std::string>& classes,
                                             retrace::Shape shape);
