// Tables of numbers as text: CSV files without labels.
//
//     const NumberTable table = read_number_table("shuttle.csv", {"class"});
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

struct NumberTable {
  std::string name;                   ///< name of the file
  std::vector<std::string> columns;   ///< "1", "2", … if the file has no header
  std::vector<std::string> left_out;  ///< columns that are not in `values`
  std::vector<double> values;         ///< row after row
  std::vector<std::size_t> lines;     ///< line of each row in the file

  std::size_t rows() const { return lines.size(); }
};

/// Reads fields separated by commas, semicolons or tabs. The first line is a header if one of its
/// fields is not a number. A column whose first value is a text, such as a class, is left out.
/// @param left_out  columns to leave out too, by name or by number from 1
/// @throws retrace::DataError if a value is missing or is not a finite number, if a row has another
///         number of fields than the first line, or if no columns or no rows remain. The message
///         names the file, the line and the column.
NumberTable read_number_table(const std::filesystem::path& path,
                              const std::vector<std::string>& left_out);
