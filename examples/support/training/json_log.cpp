#include "json_log.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

namespace {

nlohmann::ordered_json by_use(const retrace::Bytes& bytes) {
  nlohmann::ordered_json json;
  for (retrace::Use use : retrace::all_uses) json[std::string(retrace::name(use))] = bytes[use];
  return json;
}

/// Returns the complete lines of a log up to a step. A line that a killed process left incomplete
/// is dropped.
std::string lines_up_to(const std::filesystem::path& path, std::size_t last) {
  std::ifstream file(path);
  std::string kept, line;
  while (std::getline(file, line) && !file.eof()) {
    const auto json = nlohmann::ordered_json::parse(line, nullptr, false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_unsigned() ||
        json["step"].get<std::size_t>() > last)
      break;
    kept += line + '\n';
  }
  return kept;
}

/// Shortens the file to these lines, and opens it for appending.
retrace::Descriptor reopened(const std::filesystem::path& path, std::size_t kept_steps) {
  constexpr int append = O_WRONLY | O_CREAT | O_APPEND;
  if (kept_steps == 0) return {path, append | O_TRUNC};
  if (!std::filesystem::is_regular_file(path)) return {path, append};  // a pipe, or a new file
  retrace::DurableFile shortened(path);
  shortened.write(lines_up_to(path, kept_steps));
  shortened.commit();
  return {path, append};
}

}  // namespace

JsonLog::JsonLog(const std::filesystem::path& path, std::size_t kept_steps)
    : file_(reopened(path, kept_steps)) {}

void JsonLog::write(const nlohmann::ordered_json& description, const StepReport& report) {
  nlohmann::ordered_json json = description;
  json["step"] = report.step;
  json["steps"] = report.steps;
  json["epoch"] = report.epoch;
  if (report.discarded.empty())
    for (const Metric& metric : report.metrics) json[metric.key] = metric.value;
  else
    json["discarded"] = report.discarded;
  for (const Metric& metric : report.test) json[metric.key] = metric.value;
  if (report.lowest_ratio) {
    json["lowest_snr_db"] = *report.lowest_ratio;  // null if the reconstruction is exact
    json["lowest_snr_layer"] = report.worst_layer;
  }
  for (const DriftReport& drift : report.drifts)
    json["drift"].push_back(
        {{"layer", drift.layer}, {"db", drift.decibels}, {"anchored", drift.anchored}});
  if (report.predicted_peak) json["predicted_peak_bytes"] = *report.predicted_peak;
  json["learning_rate"] = report.learning_rate;
  json[report.unit + "_per_second"] = static_cast<double>(report.samples) / report.seconds;
  json["seconds"] = report.total_seconds;
  json["peak_bytes"] = by_use(report.peak);
  file_.write(json.dump() + '\n');
}
