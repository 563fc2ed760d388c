// Tables of numbers as text: CSV.
#pragma once

#include <filesystem>
#include <optional>

#include "samples.hpp"

/// A row a sample: numbers, and the name of its class in one column.
struct CsvTable {
  std::string name;                  ///< of the file
  std::vector<std::string> columns;  ///< names of all; empty if the file does not start with them
  std::size_t label_column;
  std::size_t features;              ///< numbers in a row
  std::vector<float> values;         ///< row after row
  std::vector<std::string> classes;  ///< of each row
  std::vector<std::size_t> lines;    ///< of the file, of each row
};

/// Reads fields separated by commas, semicolons or tabs, with quotes or without. The first line may
/// hold the names of the columns.
/// @param label_column  its name, or its number from 1; empty: the one that is called label, class,
///                      target or species, otherwise the last
/// @throws retrace::DataError with the name of the file and the line if a field is no finite number
///         or a row has another number of fields than the first.
CsvTable read_csv(const std::filesystem::path& path, const std::string& label_column);

/// All that occur, in the order of numbers if they are, otherwise of their letters.
/// @throws retrace::DataError if there are more than 10,000, which are no classes.
std::vector<std::string> classes_of(const CsvTable& table);

/// The shape in which the values of a row become an image: one pixel with a channel for each value;
/// but a row of k x k values from 0 to 255, k at least 8, is a grey image of k x k.
retrace::Shape usual_shape(const CsvTable& table);

/// @param classes  in the order of their labels
/// @throws retrace::DataError with the name and the line if a row has another class;
///         std::invalid_argument if the shape has not as many elements as a row.
std::shared_ptr<const Samples> table_samples(CsvTable table,
                                             const std::vector<std::string>& classes,
                                             retrace::Shape shape);
