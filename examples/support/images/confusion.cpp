#include "confusion.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ostream>
#include <tuple>

#include "samples.hpp"

namespace {

constexpr std::size_t most_columns = 12, most_mistakes = 10;

double ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? std::numeric_limits<double>::quiet_NaN()
                    : static_cast<double>(part) / static_cast<double>(whole);
}

/// Formats 0.4312 as "43.1", and NaN as "-".
std::string in_percent(double share) {
  if (std::isnan(share)) return "-";
  const long tenths = std::lround(1000 * share);
  return std::to_string(tenths / 10) + '.' + std::to_string(tenths % 10);
}

std::string left(const std::string& text, std::size_t width) {
  return text + std::string(std::max(width, text.size()) - text.size(), ' ');
}
std::string right(const std::string& text, std::size_t width) {
  return std::string(std::max(width, text.size()) - text.size(), ' ') + text;
}

void print_mistakes(std::ostream& out, const ConfusionMatrix& matrix,
                    const std::vector<std::string>& classes) {
  std::vector<std::tuple<std::uint64_t, std::size_t, std::size_t>> mistakes;
  for (std::size_t label = 0; label < matrix.classes(); ++label)
    for (std::size_t taken = 0; taken < matrix.classes(); ++taken)
      if (label != taken && matrix.at(label, taken) > 0)
        mistakes.emplace_back(matrix.at(label, taken), label, taken);
  std::stable_sort(mistakes.begin(), mistakes.end(),
                   [](const auto& a, const auto& b) { return std::get<0>(a) > std::get<0>(b); });
  out << "most frequent mistakes:\n";
  for (std::size_t i = 0; i < std::min(mistakes.size(), most_mistakes); ++i) {
    const auto& [count, label, taken] = mistakes[i];
    out << "  " << count << " x " << classes[label] << " taken for " << classes[taken] << '\n';
  }
}

}  // namespace

void ConfusionMatrix::add(std::span<const std::int32_t> labels, std::span<const float> scores) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == no_class) continue;
    const auto row = scores.subspan(i * classes_, classes_);
    const auto best = std::max_element(row.begin(), row.end()) - row.begin();
    ++counts_[static_cast<std::size_t>(labels[i]) * classes_ + static_cast<std::size_t>(best)];
  }
}

std::uint64_t ConfusionMatrix::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{});
}

std::uint64_t ConfusionMatrix::labelled(std::size_t of) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < classes_; ++i) sum += at(of, i);
  return sum;
}

std::uint64_t ConfusionMatrix::predicted(std::size_t of) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < classes_; ++i) sum += at(i, of);
  return sum;
}

double ConfusionMatrix::accuracy() const {
  std::uint64_t right_ones = 0;
  for (std::size_t i = 0; i < classes_; ++i) right_ones += at(i, i);
  const double share = ratio(right_ones, total());
  return std::isnan(share) ? 0 : share;
}

double ConfusionMatrix::recall(std::size_t of) const { return ratio(at(of, of), labelled(of)); }

double ConfusionMatrix::precision(std::size_t of) const { return ratio(at(of, of), predicted(of)); }

double ConfusionMatrix::intersection_over_union(std::size_t of) const {
  return ratio(at(of, of), labelled(of) + predicted(of) - at(of, of));
}

double ConfusionMatrix::mean_intersection_over_union() const {
  double sum = 0;
  int count = 0;
  for (std::size_t i = 0; i < classes_; ++i)
    if (const double value = intersection_over_union(i); !std::isnan(value)) {
      sum += value;
      ++count;
    }
  return count == 0 ? 0 : sum / count;
}

void print(std::ostream& out, const ConfusionMatrix& matrix,
           const std::vector<std::string>& classes) {
  const bool columns = classes.size() <= most_columns;
  std::size_t first = std::string("label").size();
  for (const std::string& name : classes) first = std::max(first, name.size());
  constexpr std::size_t narrow = 7;
  out << left("label", first);
  for (std::size_t i = 0; columns && i < classes.size(); ++i)
    out << ' ' << right(classes[i].substr(0, narrow), narrow);
  out << "  recall %  precision %  IoU %\n";
  for (std::size_t label = 0; label < classes.size(); ++label) {
    out << left(classes[label], first);
    for (std::size_t i = 0; columns && i < classes.size(); ++i)
      out << ' ' << right(std::to_string(matrix.at(label, i)), narrow);
    out << right(in_percent(matrix.recall(label)), 10)
        << right(in_percent(matrix.precision(label)), 13)
        << right(in_percent(matrix.intersection_over_union(label)), 7) << '\n';
  }
  if (!columns) print_mistakes(out, matrix, classes);
}
