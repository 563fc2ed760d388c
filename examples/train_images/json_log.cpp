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

void JsonLog::write(const StepReport& report, const Options& options, const DataSet& data) {
  nlohmann::ordered_json json{{"arch", retrace::name(options.net.architecture)},
                              {"mode", mode_name(options.net)},
                              {"stream", retrace::name(options.net.options.stream)},
                              {"data", data.name},
                              {"batch", options.batch},
                              {"seed", options.seed},
                              {"step", report.step},
                              {"steps", report.steps},
                              {"epoch", report.epoch}};
  if (report.discarded.empty()) {
    json["loss"] = report.batch.mean();
    json["train_accuracy"] = report.batch.accuracy();
  } else {
    json["discarded"] = report.discarded;
  }
  if (report.test) {
    json["test_loss"] = report.test->mean();
    json["test_accuracy"] = report.test->accuracy();
  }
  if (report.lowest_ratio) {
    json["lowest_snr_db"] = *report.lowest_ratio;  // null if the reconstruction is exact
    json["lowest_snr_layer"] = report.worst_layer;
  }
  for (const retrace::Drift& drift : report.drifts)
    json["drift"].push_back(
        {{"layer", drift.layer}, {"db", drift.decibels}, {"anchored", drift.anchored}});
  if (report.predicted_peak) json["predicted_peak_bytes"] = *report.predicted_peak;
  json["learning_rate"] = report.learning_rate;
  json["images_per_second"] = static_cast<double>(options.batch) / report.seconds;
  json["seconds"] = report.total_seconds;
  json["peak_bytes"] = by_use(report.peak);
  file_.write(json.dump() + '\n');
}
