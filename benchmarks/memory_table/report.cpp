#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

#include "support/table.hpp"

namespace memory_table {

using namespace retrace;
using benchmark::fixed, benchmark::Line, benchmark::TableStyle;

namespace {

constexpr double mebibyte = 1 << 20;
constexpr std::size_t names = 3;  // the first columns are text, the others numbers

std::string megabytes(double bytes) { return fixed(bytes / 1e6, 0) + " MB"; }

std::string label(const Configuration& configuration) {
  return std::string(name(configuration.architecture)) + ' ' + std::string(configuration.mode);
}

std::string mark(bool measured) { return measured ? "" : " (p)"; }

/// Formats the two measurements of a configuration as one line.
Line line(const Measurement& small, const Measurement& large) {
  const auto& paper = small.configuration.paper;
  return {std::string(name(small.configuration.architecture)),
          std::string(small.configuration.mode),
          small.peak.place,
          fixed(static_cast<double>(small.parameters) / 1e6, 2) + " M",
          fixed(small.bytes_per_pixel, 0),
          fixed(large.bytes_per_pixel, 0) + mark(large.slope_measured),
          paper ? fixed(paper->bytes_per_pixel, 0) : "",
          megabytes(static_cast<double>(small.peak.bytes.total())),
          megabytes(static_cast<double>(large.peak.bytes.total())) + mark(large.peak_measured),
          paper && large.batch.h == large_extent ? megabytes(paper->total_bytes) : "",
          fixed(small.fixed_workspace / mebibyte, 1) + " MiB",
          small.time_vs_stored ? fixed(*small.time_vs_stored, 2) : ""};
}

using Json = nlohmann::ordered_json;

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json json(const Measurement& measurement) {
  const Configuration& configuration = measurement.configuration;
  const Shape batch = measurement.batch;
  const auto& paper = configuration.paper;
  Json object;
  object["arch"] = name(configuration.architecture);
  object["mode"] = configuration.mode;
  object["device"] = device_kind;
  object["batch"] = batch.n;
  object["height"] = batch.h;
  object["width"] = batch.w;
  object["parameters"] = measurement.parameters;
  object["bytes_per_pixel"] = measurement.bytes_per_pixel;
  object["paper_bytes_per_pixel"] = paper ? Json(paper->bytes_per_pixel) : Json();
  object["total_bytes"] = measurement.peak.bytes.total();
  object["time_vs_stored"] = or_null(measurement.time_vs_stored);
  object["step_seconds"] = or_null(measurement.step_seconds);
  object["bytes_per_pixel_measured"] = measurement.slope_measured;
  object["total_measured"] = measurement.peak_measured;
  object["paper_total_bytes"] =
      paper && batch.h == large_extent ? Json(paper->total_bytes) : Json();
  for (Use use : all_uses)
    object["bytes_by_use"][std::string(name(use))] = measurement.peak.bytes[use];
  object["peak_at"] = measurement.peak.place;
  object["fixed_workspace_bytes"] = std::llround(measurement.fixed_workspace);
  object["prediction_error"] = measurement.prediction_error;
  return object;
}

}  // namespace

void print_table(std::ostream& out, std::span<const Measurement> measurements, TableStyle style) {
  const std::string extent = std::to_string(measurements[1].batch.h);
  std::vector<Line> lines{{"network", "mode", "peak at", "parameters", "B/px 32²",
                           "B/px " + extent + "²", "B/px paper", "total 32²",
                           "total " + extent + "²", "total paper", "workspace", "time"}};
  for (std::size_t i = 0; i + 1 < measurements.size(); i += 2)
    lines.push_back(line(measurements[i], measurements[i + 1]));
  benchmark::print_lines(out, lines, names, style);
  out << "\nB/px: growth of the measured peak with the batch, in bytes per input pixel, at 32 x "
         "32\n"
         "and "
      << extent << " x " << extent << ". Total: the memory of a step on " << measurements[0].batch.n
      << " images, with parameters, gradients and\n"
         "momentum. (p): predicted by a dry run. Paper: Hascoet et al., 32 images of 240 x 240.\n"
         "Workspace: the part that does not depend on the batch, at 32 x 32.\n"
         "Time: a step at 32 x 32, relative to the same network stored. Checkpoint: every √L "
         "layers.\n";
}

void print_residence(std::ostream& out, std::span<const Residence> residences) {
  std::vector<Line> lines{{"network", "mode", "batch", "peak", "resident growth", "ratio"}};
  for (const Residence& each : residences)
    lines.push_back({std::string(name(each.configuration.architecture)),
                     std::string(each.configuration.mode), to_string(each.batch),
                     megabytes(static_cast<double>(each.peak)),
                     megabytes(static_cast<double>(each.growth)),
                     fixed(static_cast<double>(each.growth) / static_cast<double>(each.peak), 3)});
  out << '\n';
  benchmark::print_lines(out, lines, names, TableStyle::aligned);
}

void print_json(std::ostream& out, std::span<const Measurement> measurements) {
  Json array = Json::array();
  for (const Measurement& each : measurements) array.push_back(json(each));
  out << array.dump(2) << '\n';
}

namespace {

/// Returns the time of the reversible network that `chunked` is the chunked form of, at the same
/// size, or nothing if there is none.
std::optional<double> time_of_reversible(std::span<const Measurement> measurements,
                                         const Measurement& chunked) {
  if (!chunked.configuration.chunked() || !chunked.step_seconds) return {};
  for (const Measurement& each : measurements)
    if (each.configuration.architecture == chunked.configuration.architecture &&
        each.configuration.mode == "reversible" && each.step_seconds)
      return each.step_seconds;
  return {};
}

/// Returns the largest batch-independent workspace of every network, and its limit.
std::map<std::string, std::pair<double, double>> workspaces(
    std::span<const Measurement> measurements) {
  std::map<std::string, std::pair<double, double>> result;
  for (const Measurement& each : measurements) {
    const bool chunked = each.configuration.chunked();
    if (chunked && each.batch.h > small_extent) continue;  // a chunk there is at least one image
    auto& [largest, limit] =
        result[std::string(name(each.configuration.architecture)) + (chunked ? " chunked" : "")];
    largest = std::max(largest, each.fixed_workspace);
    limit = workspace_limit(each.widest_convolution) + (chunked ? chunk_limit : 0);
  }
  return result;
}

}  // namespace

std::vector<Check> checks(std::span<const Measurement> measurements,
                          std::span<const Residence> residences) {
  std::vector<Check> results;
  const auto add = [&](const std::string& what, const std::string& unit, double value,
                       double limit) {
    results.push_back({what + ": " + fixed(value, 2) + unit + ", at most " +
                           fixed(limit, limit < 10 ? 1 : 0) + unit,
                       value <= limit});
  };
  for (const Measurement& each : measurements)
    if (each.configuration.limit)
      add(label(each.configuration) + " at " + std::to_string(each.batch.h) + " x " +
              std::to_string(each.batch.w),
          " bytes per pixel", each.bytes_per_pixel, *each.configuration.limit);

  if (has_limits) {
    for (const auto& [what, workspace] : workspaces(measurements))
      add(what + ": workspace that does not depend on the batch", " MiB",
          workspace.first / mebibyte, workspace.second / mebibyte);
    for (const Measurement& each : measurements)
      if (const auto time = time_of_reversible(measurements, each))
        add(label(each.configuration) + ": time of a step, relative to reversible", "",
            *each.step_seconds / *time, streamed_time_limit);
  }
  double error = 0;
  for (const Measurement& each : measurements) error = std::max(error, each.prediction_error);
  add("error of the predicted peak", " %", 100 * error, 100 * prediction_limit);

  for (const Residence& each : residences) {
    const auto peak = static_cast<double>(each.peak), growth = static_cast<double>(each.growth);
    add(label(each.configuration) + ": difference of resident growth and peak", " %",
        100 * std::abs(growth - peak) / peak, 100 * resident_limit);
  }
  return results;
}

bool print_checks(std::ostream& out, std::span<const Check> checks) {
  out << '\n';
  for (const Check& check : checks)
    out << (check.passed ? "pass  " : "FAIL  ") << check.text << '\n';
  return std::all_of(checks.begin(), checks.end(), [](const Check& each) { return each.passed; });
}

}  // namespace memory_table
