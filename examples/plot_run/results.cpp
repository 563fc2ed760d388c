#include "results.hpp"

#include <algorithm>
#include <ostream>

#include "text.hpp"

namespace {

constexpr const char* none = "–";

/// Returns the training time at which the test accuracy first reached its final value.
double seconds_to_last_accuracy(const Run& run) {
  const auto& points = run.test_accuracy.points;
  const auto first = std::find_if(points.begin(), points.end(), [&](Series::Point point) {
    return point.value >= points.back().value;
  });
  return run.seconds_at_test[static_cast<std::size_t>(first - points.begin())];
}

double best(const Series& series) {
  return std::max_element(series.points.begin(), series.points.end(),
                          [](auto a, auto b) { return a.value < b.value; })
      ->value;
}

void print_row(std::ostream& out, const std::vector<std::string>& cells) {
  for (const std::string& cell : cells) out << "| " << cell << ' ';
  out << "|\n";
}

}  // namespace

std::vector<std::string> result_head() {
  return {"log",           "network",  "mode",         "data",          "epochs",
          "batch",         "seed",     "highest rate", "test accuracy", "best",
          "reached after", "images/s", "peak memory"};
}

std::vector<std::string> result_row(const Run& run) {
  const bool tested = !run.test_accuracy.points.empty();
  const double images = static_cast<double>(run.last_step * run.batch);
  return {run.log,
          run.architecture,
          run.mode,
          run.data,
          std::to_string(run.epochs) + (run.finished() ? "" : " (not finished)"),
          std::to_string(run.batch),
          std::to_string(run.seed),
          fixed(run.highest_rate, 3),
          tested ? percent(run.test_accuracy.points.back().value) : none,
          tested ? percent(best(run.test_accuracy)) : none,
          tested ? clock_time(seconds_to_last_accuracy(run)) : none,
          fixed(images / run.seconds, 0),
          fixed(run.peak_bytes / 1e6, 1) + " MB"};
}

void print_markdown(std::ostream& out, const std::vector<Run>& runs) {
  print_row(out, result_head());
  std::vector<std::string> rule{"---", "---", "---", "---"};
  rule.resize(result_head().size(), "--:");
  print_row(out, rule);
  for (const Run& run : runs) print_row(out, result_row(run));
}
