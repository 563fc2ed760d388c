#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "support/names.hpp"
#include "support/svg.hpp"
#include "support/table.hpp"

namespace step_time {

using namespace retrace;
using benchmark::fixed, benchmark::Line;

namespace {

std::string percent(double share) { return fixed(100 * share, 1) + " %"; }

std::string title(const Results& results) {
  const Subject& subject = results.subject;
  std::string channels;
  for (Index each : subject.net.channels) {
    if (!channels.empty()) channels += '-';
    channels += std::to_string(each);
  }
  const std::string what = std::string(name(subject.architecture)) + ' ' + channels + ' ' +
                           subject.mode + ", batch " + std::to_string(subject.batch) +
                           " of 32 x 32, ";
  if (subject.threads == 0) return what + results.step.machine;
  return what + std::to_string(subject.threads) +
         (subject.threads == 1 ? " thread, " : " threads, ") + to_string(retrace::cpu_features()) +
         (subject.convolutions ? ", oneDNN if faster" : "");
}

void print_operations(std::ostream& out, const Profiled& step) {
  std::vector<Line> lines{{"operation", "ms per step", "share"}};
  const auto add = [&](std::string_view what, double seconds) {
    lines.push_back(
        {std::string(what), fixed(1e3 * seconds / step.steps, 1), percent(seconds / step.seconds)});
  };
  for (Operation operation : all_operations) add(name(operation), step.profile.seconds(operation));
  add("everything else", step.seconds - step.profile.total());
  out << '\n';
  print_lines(out, lines, 1, benchmark::TableStyle::aligned);
}

void print_curve(std::ostream& out, const Curve& curve, const std::string& what) {
  std::vector<Line> lines{{what, "ms per step", "line"}};
  for (std::size_t i = 0; i < curve.at.size(); ++i)
    lines.push_back({fixed(curve.at[i], 0), fixed(1e3 * curve.seconds[i], 1),
                     fixed(1e3 * curve.line().at(curve.at[i]), 1)});
  out << '\n';
  print_lines(out, lines, 0, benchmark::TableStyle::aligned);
  out << "largest deviation from the line: " << percent(curve.largest_deviation()) << '\n';
}

using Json = nlohmann::ordered_json;

Json json(const Curve& curve) {
  return {{"at", curve.at},
          {"step_seconds", curve.seconds},
          {"line", {{"start", curve.line().start}, {"slope", curve.line().slope}}},
          {"largest_deviation", curve.largest_deviation()}};
}

Json shares_of_time(const Profiled& profiled) {
  Json shares;
  for (Operation operation : all_operations)
    shares[std::string(name(operation))] = profiled.profile.seconds(operation) / profiled.seconds;
  shares["everything else"] = 1 - profiled.profile.total() / profiled.seconds;
  return shares;
}

/// Draws one panel: the points of a curve and the line through them.
void draw(benchmark::Svg& svg, const Curve& curve, double left, const std::string& across) {
  constexpr double top = 70, width = 380, height = 260, bottom = top + height;
  const double most = curve.at.back();
  const double largest = *std::max_element(curve.seconds.begin(), curve.seconds.end());
  const double power = std::pow(10, std::floor(std::log10(largest)));
  const double step = largest / power < 3 ? power / 2 : power;  // grid spacing
  const double end = std::ceil(largest / step) * step;
  const auto x = [&](double at) { return left + at / most * width; };
  const auto y = [&](double seconds) { return bottom - seconds / end * height; };
  for (double tick = 0; tick <= end * 1.001; tick += step) {
    svg.line(left, y(tick), left + width, y(tick), benchmark::grid_colour);
    svg.text(left - 8, y(tick) + 4, "end", fixed(1e3 * tick, 0), benchmark::muted);
  }
  const Curve::Line line = curve.line();
  svg.line(x(0), y(std::max(line.at(0), 0.0)), x(most), y(line.at(most)), "#8b949e", 1.5);
  for (std::size_t i = 0; i < curve.at.size(); ++i) {
    svg.dot(x(curve.at[i]), y(curve.seconds[i]), "#2f6fc0");
    svg.text(x(curve.at[i]), bottom + 18, "middle", fixed(curve.at[i], 0), benchmark::muted);
  }
  svg.text(left + width / 2, bottom + 40, "middle", across, benchmark::muted);
}

}  // namespace

void print_text(std::ostream& out, const Results& results) {
  const Measurement& step = results.step;
  const double images = static_cast<double>(results.subject.batch);
  const auto [least, most] = std::minmax_element(step.seconds.begin(), step.seconds.end());
  out << title(results) << '\n'
      << "parameters           " << fixed(static_cast<double>(step.parameters) / 1e6, 2) << " M\n"
      << "images/s             " << fixed(images / step.step_seconds(), 1) << " ("
      << fixed(images / *most, 1) << " to " << fixed(images / *least, 1) << ")\n"
      << "step                 " << fixed(1e3 * step.step_seconds(), 1) << " ms, at most "
      << format_bytes(static_cast<double>(step.peak_bytes)) << '\n'
      << "multiply-adds        " << fixed(step.multiply_adds.step / 1e9, 2) << " G, "
      << fixed(step.multiply_adds.step / step.multiply_adds.forward, 2) << " forward passes\n";
  if (step.peak)
    out << "peak of the machine  " << fixed(step.peak->before, 0) << " GFLOP/s before, "
        << fixed(step.peak->after, 0) << " after\n"
        << "share of the peak    " << percent(step.share_of_peak()) << ", counting "
        << fixed(step.whole_passes(), 0) << " forward passes "
        << percent(step.share_of_peak_in_whole_passes()) << '\n';
  if (step.profiled) print_operations(out, *step.profiled);
  if (results.scaling) {
    std::vector<Line> lines{{"threads", "ms per step", "speed-up"}};
    const std::vector<double>& seconds = results.scaling->seconds;
    for (std::size_t i = 0; i < seconds.size(); ++i)
      lines.push_back(
          {std::to_string(i + 1), fixed(1e3 * seconds[i], 1), fixed(seconds[0] / seconds[i], 2)});
    out << '\n';
    print_lines(out, lines, 0, benchmark::TableStyle::aligned);
  }
  if (results.beside)
    out << '\n'
        << "with busy processes, " << results.beside->processes << ": "
        << fixed(images / results.beside->seconds, 1) << " images/s, "
        << fixed(images / results.beside->idle_seconds, 1)
        << " without them: " << percent(results.beside->share()) << '\n';
  if (results.batch) print_curve(out, *results.batch, "images");
  if (results.depth) print_curve(out, *results.depth, "blocks per level");
}

void print_json(std::ostream& out, const Results& results) {
  const Subject& subject = results.subject;
  const Measurement& step = results.step;
  Json object;
  object["network"] = name(subject.architecture);
  object["channels"] = subject.net.channels;
  object["blocks"] = subject.net.blocks;
  object["mode"] = subject.mode;
  object["batch"] = subject.batch;
  object["device"] = device_kind;
  object["machine"] = step.machine;
  if (device_kind == "cpu") {
    object["threads"] = subject.threads;
    object["instruction_set"] = retrace::cpu_features().compiled_for;
    object["onednn"] = subject.convolutions != nullptr;
  }
  object["parameters"] = step.parameters;
  object["images_per_second"] = static_cast<double>(subject.batch) / step.step_seconds();
  object["step_seconds"] = step.step_seconds();
  object["all_step_seconds"] = step.seconds;
  object["peak_bytes"] = step.peak_bytes;
  object["multiply_adds"] = {{"forward", step.multiply_adds.forward},
                             {"step", step.multiply_adds.step},
                             {"whole_passes", step.whole_passes()}};
  if (step.peak) {
    object["peak_gflops"] = {{"before", step.peak->before}, {"after", step.peak->after}};
    object["share_of_peak"] = step.share_of_peak();
    object["share_of_peak_in_whole_passes"] = step.share_of_peak_in_whole_passes();
  }
  if (step.profiled) object["share_of_time"] = shares_of_time(*step.profiled);
  if (results.scaling) object["seconds_by_threads"] = results.scaling->seconds;
  if (results.beside) {
    const double images = static_cast<double>(subject.batch);
    object["beside"] = {{"processes", results.beside->processes},
                        {"images_per_second", images / results.beside->seconds},
                        {"idle_images_per_second", images / results.beside->idle_seconds},
                        {"share", results.beside->share()}};
  }
  if (results.batch) object["over_batch"] = json(*results.batch);
  if (results.depth) object["over_depth"] = json(*results.depth);
  out << object.dump(2) << '\n';
}

void print_chart(std::ostream& out, const Results& results) {
  benchmark::Svg svg(out, 960, 390);
  svg.text(20, 28, "start", "Milliseconds of a training step",
           "font-size=\"17\" font-weight=\"bold\"");
  svg.text(20, 51, "start", title(results), benchmark::muted);
  draw(svg, *results.batch, 70, "images in the batch");
  const std::string across =
      "blocks in every level, batch " + std::to_string(results.subject.batch / 4);
  draw(svg, *results.depth, 540, across);
}

}  // namespace step_time
