#include "json_log.hpp"

#include <nlohmann/json.hpp>
#include <stdexcept>

namespace {

nlohmann::ordered_json by_use(const retrace::Bytes& bytes) {
  nlohmann::ordered_json json;
  for (retrace::Use use : retrace::all_uses) json[std::string(retrace::name(use))] = bytes[use];
  return json;
}

}  // namespace

JsonLog::JsonLog(const std::filesystem::path& path) : path_(path), file_(path) {
  if (!file_) throw std::runtime_error("--json " + path_.string() + " cannot be written");
}

void JsonLog::write(const StepReport& report, const Options& options, const Data& data) {
  nlohmann::ordered_json json{{"arch", retrace::name(options.net.architecture)},
                              {"mode", name(options.net.mode)},
                              {"stream", retrace::name(options.net.options.stream)},
                              {"data", data.train.name},
                              {"step", report.step},
                              {"epoch", report.epoch}};
  if (report.discarded.empty()) {
    json["loss"] = report.batch.loss;
    json["train_accuracy"] = accuracy(report.batch);
  } else {
    json["discarded"] = report.discarded;
  }
  if (report.test) {
    json["test_loss"] = report.test->loss;
    json["test_accuracy"] = accuracy(*report.test);
  }
  if (report.lowest_ratio) {
    json["lowest_snr_db"] = *report.lowest_ratio;  // null where nothing is wrong at all
    json["lowest_snr_layer"] = report.worst_layer;
  }
  for (const retrace::Drift& drift : report.drifts)
    json["drift"].push_back(
        {{"layer", drift.layer}, {"db", drift.decibels}, {"anchored", drift.anchored}});
  if (report.predicted_peak) json["predicted_peak_bytes"] = *report.predicted_peak;
  json["learning_rate"] = report.learning_rate;
  json["images_per_second"] = static_cast<double>(report.batch.images) / report.seconds;
  json["peak_bytes"] = by_use(report.peak);
  if (!(file_ << json << std::endl))
    throw std::runtime_error("--json " + path_.string() + " cannot be written");
}
