#include "csv.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <stdexcept>
#include <string_view>

#include "delimited_text.hpp"
#include "retrace/core/error.hpp"

using retrace::DataError, retrace::Index, retrace::Shape;

namespace {

constexpr std::size_t most_classes = 10000;

/// Parses a finite number. Returns whether the text is one.
bool parse(std::string_view text, double& number) {
  return parse_number(text, number) && std::abs(number) <= std::numeric_limits<float>::max();
}

bool is_number(std::string_view text) {
  double number = 0;
  return parse(text, number);
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, std::string label_column)
      : text_(path), wanted_(std::move(label_column)) {
    table_.name = text_.name();
  }

  CsvTable read() {
    while (text_.next()) add(text_.fields());
    if (table_.lines.empty()) throw DataError(table_.name + ": has no rows");
    return std::move(table_);
  }

 private:
  void add(const std::vector<std::string_view>& row) {
    if (count_ == 0 && start(row)) return;
    if (row.size() != count_)
      text_.refuse("has " + std::to_string(row.size()) + " fields, but the first line has " +
                   std::to_string(count_));
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == table_.label_column) continue;
      double number = 0;
      if (!parse(row[i], number))
        text_.refuse("field " + std::to_string(i + 1) + " is '" +
                     std::string(row[i].substr(0, 40)) + "', but must be a finite number");
      table_.values.push_back(static_cast<float>(number));
    }
    if (row[table_.label_column].empty()) text_.refuse("its class is empty");
    table_.classes.emplace_back(row[table_.label_column]);
    table_.lines.push_back(text_.line());
  }

  /// Processes the first line. Returns whether it contains the names of the columns.
  bool start(const std::vector<std::string_view>& row) {
    count_ = row.size();
    if (count_ < 2) text_.refuse("has one field, but a row needs numbers and a class");
    table_.features = count_ - 1;
    const auto texts = std::count_if(row.begin(), row.end(),
                                     [](std::string_view field) { return !is_number(field); });
    const bool names = texts > 1 || (texts == 1 && count_ == 2 && !is_number(row[0]));
    if (names) table_.columns.assign(row.begin(), row.end());
    table_.label_column = find_label();
    return names;
  }

  std::size_t find_label() const {
    const std::vector<std::string>& columns = table_.columns;
    std::vector<std::string> usual{"label", "class", "target", "species"};
    if (!wanted_.empty()) usual = {wanted_};
    for (const std::string& name : usual)
      for (std::size_t i = 0; i < columns.size(); ++i)
        if (std::equal(name.begin(), name.end(), columns[i].begin(), columns[i].end(),
                       [](char a, char b) { return std::tolower(a) == std::tolower(b); }))
          return i;
    if (wanted_.empty()) return count_ - 1;
    std::size_t number = 0;
    const char* const end = wanted_.data() + wanted_.size();
    const auto parsed = std::from_chars(wanted_.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end || number < 1 || number > count_)
      text_.refuse("the column of the classes is to be '" + wanted_ +
                   "', but there are columns 1 to " + std::to_string(count_) +
                   (columns.empty() ? " without names" : " and none is called so"));
    return number - 1;
  }

  DelimitedText text_;
  std::string wanted_;
  CsvTable table_{};
  std::size_t count_ = 0;
};

class TableSamples : public Samples {
 public:
  TableSamples(CsvTable table, const std::vector<std::string>& classes, Shape shape)
      : table_(std::move(table)), shape_(shape) {
    if (static_cast<std::size_t>(shape.size()) != table_.features)
      throw std::invalid_argument(table_.name + ": has " + std::to_string(table_.features) +
                                  " numbers in a row, which are no " + std::to_string(shape.h) +
                                  "x" + std::to_string(shape.w) + "x" + std::to_string(shape.c));
    std::map<std::string, std::int32_t> numbers;
    for (std::size_t i = 0; i < classes.size(); ++i)
      numbers[classes[i]] = static_cast<std::int32_t>(i);
    for (std::size_t row = 0; row < table_.classes.size(); ++row) {
      const auto at = numbers.find(table_.classes[row]);
      if (at == numbers.end())
        throw DataError(table_.name + ": line " + std::to_string(table_.lines[row]) +
                        ": there is no class '" + table_.classes[row] + "' among those trained");
      labels_.push_back(at->second);
    }
  }

  Index size() const override { return static_cast<Index>(labels_.size()); }
  Shape shape() const override { return shape_; }
  void read(Index sample, std::span<float> values) const override {
    std::copy_n(table_.values.data() + static_cast<std::size_t>(sample) * table_.features,
                table_.features, values.data());
  }
  void read_labels(Index sample, std::span<std::int32_t> labels) const override {
    labels[0] = labels_[static_cast<std::size_t>(sample)];
  }
  std::string name(Index sample) const override {
    return table_.name + ": line " + std::to_string(table_.lines[static_cast<std::size_t>(sample)]);
  }

 private:
  CsvTable table_;
  Shape shape_;
  std::vector<std::int32_t> labels_{};
};

}  // namespace

CsvTable read_csv(const std::filesystem::path& path, const std::string& label_column) {
  return Reader(path, label_column).read();
}

std::vector<std::string> classes_of(const CsvTable& table) {
  const std::set<std::string> distinct(table.classes.begin(), table.classes.end());
  if (distinct.size() > most_classes)
    throw DataError(table.name + ": its column of classes has " + std::to_string(distinct.size()) +
                    " different values, but at most " + std::to_string(most_classes) +
                    " can be classes");
  std::vector<std::string> classes(distinct.begin(), distinct.end());
  if (std::all_of(classes.begin(), classes.end(), is_number))
    std::stable_sort(classes.begin(), classes.end(), [](const auto& a, const auto& b) {
      double left = 0, right = 0;
      parse(a, left);
      parse(b, right);
      return left < right;
    });
  return classes;
}

Shape usual_shape(const CsvTable& table) {
  const auto features = static_cast<Index>(table.features);
  const Index side = std::llround(std::sqrt(static_cast<double>(features)));
  const bool pixels = side >= 8 && side * side == features &&
                      std::all_of(table.values.begin(), table.values.end(), [](float value) {
                        return value >= 0 && value <= 255 && value == std::floor(value);
                      });
  return pixels ? Shape{1, side, side, 1} : Shape{1, 1, 1, features};
}

std::shared_ptr<const Samples> table_samples(CsvTable table,
                                             const std::vector<std::string>& classes, Shape shape) {
  return std::make_shared<TableSamples>(std::move(table), classes, shape);
}
