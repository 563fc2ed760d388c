#include "number_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "delimited_text.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError;

namespace {

/// Whether the text stands for a value that is not there.
bool is_missing(std::string_view text) {
  constexpr std::string_view names[] = {"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null"};
  return std::find(std::begin(names), std::end(names), text) != std::end(names);
}

bool is_number(std::string_view text) {
  double number = 0;
  return parse_number(text, number);
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const std::vector<std::string>& left_out)
      : text_(path), wanted_out_(left_out) {
    table_.name = text_.name();
  }

  NumberTable read() {
    while (text_.next()) add(text_.fields());
    if (table_.lines.empty()) throw DataError(table_.name + ": has no rows");
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < names_.size(); ++i)
      (used_[i] ? kept : table_.left_out).push_back(names_[i]);
    table_.columns = std::move(kept);
    return std::move(table_);
  }

 private:
  void add(const std::vector<std::string_view>& row) {
    if (names_.empty() && is_header(row)) return;
    if (row.size() != names_.size())
      text_.refuse("has " + std::to_string(row.size()) + " fields, but the first line has " +
                   std::to_string(names_.size()));
    if (used_.empty()) choose_columns(row);
    for (std::size_t i = 0; i < row.size(); ++i)
      if (used_[i]) table_.values.push_back(value(row[i], names_[i]));
    table_.lines.push_back(text_.line());
  }

  /// Names the columns. Returns whether the line has the names.
  bool is_header(const std::vector<std::string_view>& row) {
    const auto text = [](std::string_view field) {
      return !is_number(field) && !is_missing(field);
    };
    // A row of data may have one text, its class; a header has more, or nothing else.
    const auto texts = std::count_if(row.begin(), row.end(), text);
    const bool header = texts > 1 || (texts == 1 && row.size() == 1);
    for (std::size_t i = 0; i < row.size(); ++i)
      names_.push_back(header ? std::string(row[i]) : std::to_string(i + 1));
    return header;
  }

  void choose_columns(const std::vector<std::string_view>& row) {
    for (const std::string_view field : row) used_.push_back(is_number(field) || is_missing(field));
    for (const std::string& wanted : wanted_out_) {
      auto found = std::find(names_.begin(), names_.end(), wanted);
      std::size_t number = 0;
      if (found == names_.end() &&
          std::from_chars(wanted.data(), wanted.data() + wanted.size(), number).ec == std::errc() &&
          number >= 1 && number <= names_.size())
        found = names_.begin() + static_cast<std::ptrdiff_t>(number) - 1;
      if (found == names_.end()) text_.refuse("there is no column '" + wanted + "' to leave out");
      used_[static_cast<std::size_t>(found - names_.begin())] = false;
    }
    if (std::find(used_.begin(), used_.end(), true) == used_.end())
      text_.refuse("no column of numbers remains");
  }

  double value(std::string_view field, const std::string& column) const {
    if (is_missing(field))
      text_.refuse("the value of column '" + column + "' is missing ('" + std::string(field) +
                   "'): fill it in, remove the row, or leave the column out");
    double number = 0;
    if (!parse_number(field, number) || !std::isfinite(static_cast<float>(number)))
      text_.refuse("the value of column '" + column + "' is '" + std::string(field.substr(0, 40)) +
                   "', but must be a finite number");
    return number;
  }

  DelimitedText text_;
  const std::vector<std::string>& wanted_out_;
  NumberTable table_{};
  std::vector<std::string> names_;
  std::vector<bool> used_;
};

}  // namespace

NumberTable read_number_table(const std::filesystem::path& path,
                              const std::vector<std::string>& left_out) {
  return Reader(path, left_out).read();
}
