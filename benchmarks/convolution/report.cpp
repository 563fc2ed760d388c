#include "report.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <ostream>

#include "support/names.hpp"
#include "support/onednn.hpp"

namespace convolution {

using benchmark::fixed, benchmark::Line;

namespace {

/// Returns "103 / 98 / 87": the passes of one implementation by `text`, or "" if it does not exist.
std::string beside(const Measurement& measurement, Implementation implementation,
                   const std::function<std::string(double)>& text) {
  std::string result;
  bool any = false;
  for (const Rates& rates : measurement.passes) {
    const auto rate = rates.of(implementation);
    any = any || rate;
    result += (&rates == &measurement.passes.front() ? "" : " / ") +
              (rate ? text(*rate) : std::string("-"));
  }
  return any ? result : "";
}

bool has(std::span<const Measurement> measurements, Implementation implementation) {
  return std::any_of(measurements.begin(), measurements.end(), [&](const Measurement& each) {
    return !beside(each, implementation, [](double) { return ""; }).empty();
  });
}

double peak_of_thread(const Measurement& measurement) {
  return measurement.peak / measurement.threads;
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& each : names) text += (text.empty() ? "" : ", ") + each;
  return text;
}

}  // namespace

void print_table(std::ostream& out, std::span<const Measurement> measurements,
                 benchmark::TableStyle style) {
  Line head{"convolution", "networks", "threads", "of peak, %"};
  std::vector<Implementation> shown;
  for (Implementation each : all_implementations)
    if (has(measurements, each)) {
      shown.push_back(each);
      head.emplace_back(name(each));
    }
  std::vector<Line> lines{head};
  for (const Measurement& each : measurements) {
    Line line{to_string(each.used.shape), joined(each.used.networks), std::to_string(each.threads),
              beside(each, Implementation::retrace,
                     [&](double rate) { return fixed(100 * rate / each.peak, 0); })};
    for (Implementation implementation : shown)
      line.push_back(beside(each, implementation, [](double rate) { return fixed(rate, 0); }));
    lines.push_back(line);
  }
  print_lines(out, lines, 2, style);
  out << "\nGFLOP/s forward / input gradient / weight gradient, "
      << retrace::cpu_features().compiled_for;
  if (const std::string version = benchmark::onednn_version(); !version.empty())
    out << ", oneDNN " << version;
  out << "; two operations per multiply-add of a direct\nconvolution for every algorithm. Peak: ";
  const auto [least, most] = std::ranges::minmax_element(measurements, {}, peak_of_thread);
  out << fixed(peak_of_thread(*least), 0) << " to " << fixed(peak_of_thread(*most), 0)
      << " per thread, measured with each line.";
  out << '\n';
}

void print_json(std::ostream& out, std::span<const Measurement> measurements,
                const MeasureOptions& options) {
  using Json = nlohmann::ordered_json;
  Json object;
  object["instruction_set"] = retrace::cpu_features().compiled_for;
  object["onednn"] = benchmark::onednn_version();
  object["batch"] = options.batch;
  object["rows"] = Json::array();
  for (const Measurement& each : measurements)
    for (std::size_t i = 0; i < all_passes.size(); ++i) {
      const ConvShape& shape = each.used.shape;
      Json row;
      row["inputs"] = shape.inputs;
      row["outputs"] = shape.outputs;
      row["height"] = shape.height;
      row["width"] = shape.width;
      row["kernel"] = shape.kernel;
      row["stride"] = shape.stride;
      row["networks"] = each.used.networks;
      row["threads"] = each.threads;
      row["pass"] = name(all_passes[i]);
      row["peak_gflops"] = each.peak;
      for (Implementation implementation : all_implementations)
        if (const auto rate = each.passes[i].of(implementation))
          row["gflops"][std::string(name(implementation))] = *rate;
      row["share_of_peak"] = each.share_of_peak(each.passes[i]);
      object["rows"].push_back(row);
    }
  out << object.dump(2) << '\n';
}

}  // namespace convolution
