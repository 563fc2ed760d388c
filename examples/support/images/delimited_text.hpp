// Text files whose lines are fields separated by tabs, semicolons or commas.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "file_bytes.hpp"

/// Reads one line after the other. The separator is the first of tab, semicolon and comma that the
/// first line has.
class DelimitedText {
 public:
  /// @throws retrace::DataError if the file cannot be read or has more than 8 GB.
  explicit DelimitedText(const std::filesystem::path& path);
  DelimitedText(const DelimitedText&) = delete;
  DelimitedText& operator=(const DelimitedText&) = delete;

  /// Reads the next line that is not blank. Returns whether there is one.
  bool next();
  /// The fields of the line without the blanks and the quotes around them: views of the file. A
  /// separator within quotes is part of a field.
  const std::vector<std::string_view>& fields() const { return fields_; }
  /// The number of the line, from 1.
  std::size_t line() const { return line_; }
  /// The name of the file.
  const std::string& name() const { return name_; }

  /// @throws retrace::DataError naming the file, the line and what is wrong.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  void split(std::string_view line);

  std::string name_;
  FileBytes bytes_;
  std::string_view left_;
  std::vector<std::string_view> fields_;
  std::size_t line_ = 0;
  char separator_ = 0;
};

/// Parses a number, which may be infinite or NaN. Returns whether the whole text is one.
bool parse_number(std::string_view text, double& number);
