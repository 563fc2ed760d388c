#include "training_log.hpp"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

using nlohmann::json;

namespace {

/// Returns whether a line starts a new run because it does not continue the current one.
bool begins(const Run& run, const json& line) {
  return line.at("step") <= run.last_step || line.at("mode") != run.mode ||
         line.at("arch") != run.architecture;
}

Run begin(const std::filesystem::path& log, const json& line) {
  Run run;
  run.log = log.stem().string();
  run.architecture = line.at("arch");
  run.mode = line.at("mode");
  run.data = line.at("data");
  run.batch = line.at("batch");
  run.seed = line.at("seed");
  run.steps = line.at("steps");
  run.name = run.architecture + ' ' + run.mode + ", batch " + std::to_string(run.batch) +
             ", seed " + std::to_string(run.seed);
  return run;
}

double total(const json& by_use) {
  double sum = 0;
  for (const json& bytes : by_use) sum += bytes.get<double>();
  return sum;
}

void add(Run& run, const json& line) {
  run.last_step = line.at("step");
  run.epochs = line.at("epoch");
  run.seconds = line.at("seconds");
  const double images = static_cast<double>(run.last_step * run.batch);
  const auto extend = [&](Series& series, const char* key) {
    if (line.contains(key) && line.at(key).is_number())  // a loss that is not finite is null
      series.points.push_back({images, line.at(key)});
  };
  extend(run.loss, "loss");
  extend(run.train_accuracy, "train_accuracy");
  extend(run.test_loss, "test_loss");
  extend(run.test_accuracy, "test_accuracy");
  extend(run.learning_rate, "learning_rate");
  extend(run.images_per_second, "images_per_second");
  extend(run.worst_snr, "lowest_snr_db");
  run.bytes.points.push_back({images, total(line.at("peak_bytes"))});
  run.seconds_at_test.resize(run.test_accuracy.points.size(), run.seconds);
  run.highest_rate = std::max(run.highest_rate, line.at("learning_rate").get<double>());
  run.peak_bytes = std::max(run.peak_bytes, run.bytes.points.back().value);
}

}  // namespace

Log read_log(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path.string() + " cannot be read");
  Log log;
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) try {
      if (file.eof()) throw std::runtime_error("the line has no end");
      const json line = json::parse(text);
      if (log.runs.empty() || begins(log.runs.back(), line)) log.runs.push_back(begin(path, line));
      add(log.runs.back(), line);
    } catch (const std::exception& error) {
      log.cut_off = file.peek() == std::ifstream::traits_type::eof();
      if (!log.cut_off)
        throw std::runtime_error(path.string() + " line " + std::to_string(number) +
                                 " is no step of a training: " + error.what());
    }
  if (log.runs.empty()) throw std::runtime_error(path.string() + " holds no step of a training");
  return log;
}
