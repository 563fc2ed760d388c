#include "tensorboard.hpp"

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include "event_file.hpp"

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Returns the records of a file up to a step.
std::string records_up_to(const std::filesystem::path& path, std::size_t last) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  std::size_t end = 0;
  const std::string_view all = bytes;
  for (auto length = record_length(all);
       length && static_cast<std::size_t>(step_of_record(all.substr(end))) <= last;
       length = record_length(all.substr(end)))
    end += *length;
  bytes.resize(end);
  return bytes;
}

retrace::Descriptor opened(const std::filesystem::path& folder, std::size_t kept_steps) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw std::system_error(error, folder.string() + " cannot be made");
  const std::filesystem::path path = folder / "events.out.tfevents.retrace";
  std::string kept = kept_steps == 0 ? "" : records_up_to(path, kept_steps);
  if (kept.empty()) kept = version_record(now());
  retrace::DurableFile start(path);
  start.write(kept);
  start.commit();
  return {path, O_WRONLY | O_APPEND};
}

}  // namespace

TensorBoard::TensorBoard(const std::filesystem::path& folder, std::size_t kept_steps)
    : file_(opened(folder, kept_steps)) {}

void TensorBoard::write(const StepReport& report) {
  Event event{now(), static_cast<std::int64_t>(report.step), {}};
  const auto add = [&event](const std::string& tag, double value) {
    event.scalars.push_back({tag, static_cast<float>(value)});
  };
  if (report.discarded.empty())
    for (const Metric& metric : report.metrics) add(metric.key, metric.value);
  add("discarded", report.discarded.empty() ? 0 : 1);
  for (const Metric& metric : report.test) add(metric.key, metric.value);
  if (report.lowest_ratio) add("lowest_snr_db", *report.lowest_ratio);
  add("learning_rate", report.learning_rate);
  add(report.unit + "_per_second", static_cast<double>(report.samples) / report.seconds);
  for (retrace::Use use : retrace::all_uses)
    add("peak_bytes/" + std::string(retrace::name(use)), static_cast<double>(report.peak[use]));
  file_.write(record(event));
}
