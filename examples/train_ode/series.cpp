#include "series.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <stdexcept>

#include "retrace/core/error.hpp"
#include "retrace/core/text.hpp"
#include "text.hpp"

namespace {

std::vector<std::string> split(std::string line) {
  if (!line.empty() && line.back() == '\r') line.pop_back();
  std::vector<std::string> cells;
  for (std::size_t first = 0; first <= line.size();) {
    const std::size_t comma = std::min(line.find(',', first), line.size());
    std::string cell = line.substr(first, comma - first);
    if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"')
      cell = cell.substr(1, cell.size() - 2);
    cells.push_back(std::move(cell));
    first = comma + 1;
  }
  return cells;
}

std::optional<double> number(const std::string& text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end) return {};
  return value;
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
double days(int year, int month, int day) {
  year -= month <= 2;
  const int era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
  const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + (of_era * 365 + of_era / 4 - of_era / 100 + of_year) - 719468;
}

/// A date in years, if the text is one.
std::optional<double> date(std::string text) {
  if (text.size() == 10 && text[4] == '-' && text[7] == '-') text.erase(7, 1).erase(4, 1);
  if (text.size() != 8 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return {};
  const int all = std::stoi(text), month = all / 100 % 100, day = all % 100;
  if (month < 1 || month > 12 || day < 1 || day > 31) return {};
  return 1970 + days(all / 10000, month, day) / 365.2425;
}

bool is_missing(const std::string& text) {
  return text.empty() || text == "NA" || text == "nan" || text == "NaN";
}

/// Reads rows of a file into series.
class Reader {
 public:
  Reader(const std::filesystem::path& path, const SeriesColumns& columns)
      : path_(path.string()), in_(path) {
    std::string line;
    if (!std::getline(in_, line)) throw retrace::DataError(path_ + " cannot be read or is empty");
    header_ = split(line);
    time_ = columns.time.empty() ? 0 : find("--time", columns.time);
    if (!columns.series.empty()) series_ = find("--series", columns.series);
    for (const std::string& name : columns.values) values_.push_back(find("--values", name));
    for (std::size_t i = 0; columns.values.empty() && i < header_.size(); ++i)
      if (i != time_ && i != series_) values_.push_back(i);
    if (values_.empty()) throw std::invalid_argument(path_ + " has no column of values");
    for (std::size_t i : values_) file_.columns.push_back(header_[i]);
  }

  SeriesFile read() {
    for (std::string line; std::getline(in_, line);) {
      ++number_;
      if (!line.empty() && line != "\r") add(split(line));
    }
    for (const Series& series : file_.series)
      if (series.times.size() < 2)
        throw retrace::DataError(path_ + ": the series '" + series.name + "' has " +
                                 std::to_string(series.times.size()) +
                                 " row with a value, but needs at least 2");
    if (file_.series.empty()) throw retrace::DataError(path_ + " has no row with a value");
    return std::move(file_);
  }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);

  std::size_t find(const std::string& option, const std::string& name) const {
    const auto found = std::find(header_.begin(), header_.end(), name);
    if (found == header_.end())
      throw std::invalid_argument(option + " is '" + name + "', but " + path_ +
                                  " has the columns " + one_of(header_));
    return static_cast<std::size_t>(found - header_.begin());
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw retrace::DataError(path_ + ", line " + std::to_string(number_) + ": " + what);
  }

  void add(const std::vector<std::string>& cells) {
    if (cells.size() != header_.size())
      refuse("there are " + std::to_string(cells.size()) + " entries, but the header has " +
             std::to_string(header_.size()));
    std::vector<double> values;
    bool any = false;
    for (std::size_t i : values_) {
      if (is_missing(cells[i])) {
        values.push_back(std::numeric_limits<double>::quiet_NaN());
        ++file_.missing;
        continue;
      }
      const auto value = number(cells[i]);
      if (!value || !std::isfinite(*value))
        refuse("'" + cells[i] + "' in column " + header_[i] +
               " is not a finite number; an empty entry is a missing value");
      values.push_back(*value);
      any = true;
    }
    const double time = time_of(cells[time_]);
    Series& series = series_of(series_ == none ? "" : cells[series_]);
    if (!any) return;
    if (!series.times.empty() && !(time > series.times.back()))
      refuse("the time " + cells[time_] + " does not come after that of the row before" +
             (series.name.empty() ? "" : " in series '" + series.name + "'"));
    series.times.push_back(time);
    series.values.push_back(std::move(values));
  }

  double time_of(const std::string& text) {
    const auto as_date = date(text);
    if (as_date) file_.dates = true;
    const auto time = as_date ? as_date : number(text);
    if (!time || !std::isfinite(*time))
      refuse("the time '" + text + "' is neither a number nor a date such as 2001-03-24");
    if (file_.dates && !as_date) refuse("the time '" + text + "' is not a date as those before");
    return *time;
  }

  Series& series_of(const std::string& name) {
    const auto [at, added] = index_.try_emplace(name, file_.series.size());
    if (added) file_.series.push_back({.name = name, .times = {}, .values = {}});
    return file_.series[at->second];
  }

  std::string path_;
  std::ifstream in_;
  std::vector<std::string> header_;
  std::size_t time_ = 0, series_ = none, number_ = 1;
  std::vector<std::size_t> values_;
  std::map<std::string, std::size_t> index_;
  SeriesFile file_;
};

}  // namespace

SeriesFile read_series(const std::filesystem::path& path, const SeriesColumns& columns) {
  return Reader(path, columns).read();
}
