#include "number_table.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "file_bytes.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError;

namespace {

constexpr std::uintmax_t most_bytes = std::uintmax_t{1} << 33;

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\r' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
    text = text.substr(1, text.size() - 2);
  return text;
}

std::vector<std::string_view> fields(std::string_view line, char separator) {
  std::vector<std::string_view> result;
  bool quoted = false;
  std::size_t first = 0;
  for (std::size_t i = 0; i <= line.size(); ++i) {
    if (i < line.size() && line[i] == '"') quoted = !quoted;
    if (i < line.size() && (quoted || line[i] != separator)) continue;
    result.push_back(trimmed(line.substr(first, i - first)));
    first = i + 1;
  }
  return result;
}

/// Whether the text stands for a value that is not there.
bool is_missing(std::string_view text) {
  constexpr std::string_view names[] = {"", "?", "NA", "N/A", "NaN", "nan", "NULL", "null"};
  return std::find(std::begin(names), std::end(names), text) != std::end(names);
}

bool parse(std::string_view text, double& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}
bool is_number(std::string_view text) {
  double number = 0;
  return parse(text, number);
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const std::vector<std::string>& left_out)
      : bytes_(read_file(path, most_bytes)), wanted_out_(left_out) {
    table_.name = path.string();
  }

  NumberTable read() {
    std::string_view left(reinterpret_cast<const char*>(bytes_.data()), bytes_.size());
    if (left.starts_with("\xef\xbb\xbf")) left.remove_prefix(3);  // the byte-order mark of UTF-8
    while (!left.empty()) {
      const std::string_view line = left.substr(0, left.find('\n'));
      left.remove_prefix(std::min(left.size(), line.size() + 1));
      ++line_;
      if (!trimmed(line).empty()) add(line);
    }
    if (table_.lines.empty()) throw DataError(table_.name + ": has no rows");
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < names_.size(); ++i)
      (used_[i] ? kept : table_.left_out).push_back(names_[i]);
    table_.columns = std::move(kept);
    return std::move(table_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(table_.name + ": line " + std::to_string(line_) + ": " + what);
  }

  void add(std::string_view line) {
    if (names_.empty()) separator_ = separator_of(line);
    const std::vector<std::string_view> row = fields(line, separator_);
    if (names_.empty() && is_header(row)) return;
    if (row.size() != names_.size())
      refuse("has " + std::to_string(row.size()) + " fields, but the first line has " +
             std::to_string(names_.size()));
    if (used_.empty()) choose_columns(row);
    for (std::size_t i = 0; i < row.size(); ++i)
      if (used_[i]) table_.values.push_back(value(row[i], names_[i]));
    table_.lines.push_back(line_);
  }

  static char separator_of(std::string_view line) {
    for (const char separator : {'\t', ';', ','})
      if (line.find(separator) != line.npos) return separator;
    return ',';
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
      if (found == names_.end()) refuse("there is no column '" + wanted + "' to leave out");
      used_[static_cast<std::size_t>(found - names_.begin())] = false;
    }
    if (std::find(used_.begin(), used_.end(), true) == used_.end())
      refuse("no column of numbers remains");
  }

  double value(std::string_view field, const std::string& column) const {
    if (is_missing(field))
      refuse("the value of column '" + column + "' is missing ('" + std::string(field) +
             "'): fill it in, remove the row, or leave the column out");
    double number = 0;
    if (!parse(field, number) || !std::isfinite(static_cast<float>(number)))
      refuse("the value of column '" + column + "' is '" + std::string(field.substr(0, 40)) +
             "', but must be a finite number");
    return number;
  }

  FileBytes bytes_;
  const std::vector<std::string>& wanted_out_;
  NumberTable table_{};
  std::vector<std::string> names_;
  std::vector<bool> used_;
  std::size_t line_ = 0;
  char separator_ = ',';
};

}  // namespace

NumberTable read_number_table(const std::filesystem::path& path,
                              const std::vector<std::string>& left_out) {
  return Reader(path, left_out).read();
}
