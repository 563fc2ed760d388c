// The memory-compute curve of a network: each mode for all layers, and plans for a range of
// budgets.
//
//   build/benchmarks/memory_compute                      the table
//   build/benchmarks/memory_compute --check              also checks predictions against limits
//   build/benchmarks/memory_compute --svg memory_compute.svg --json memory_compute.json
#include <CLI/CLI.hpp>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/files.hpp"
#include "../support/plot.hpp"
#include "sweep.hpp"

namespace {

using namespace memory_compute;

/// Limits of the relative errors of predictions, and of how much slower than the best fitting mode
/// a plan may be.
constexpr double peak_limit = 0.01, time_limit = 0.20, slower_limit = 0.03;

struct Options {
  std::vector<retrace::Architecture> architectures{
      retrace::Architecture::resnet, retrace::Architecture::revnet, retrace::Architecture::hybrid};
  SweepOptions sweep;
  bool check = false;
  std::string json, svg;
};

std::string fixed(double value, int digits) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(digits) << value;
  return text.str();
}
double megabytes(std::size_t bytes) { return static_cast<double>(bytes) / 1e6; }

/// Returns "stored 3, chunked 5": the number of layers per mode.
std::string modes(const retrace::Plan& plan) {
  std::map<std::string, int> counts;
  for (const retrace::PlannedLayer& layer : plan.layers) ++counts[mode_name(layer)];
  std::string text;
  for (const auto& [mode, count] : counts)
    text += (text.empty() ? "" : ", ") + mode + ' ' + std::to_string(count);
  return text;
}

void print_line(const std::vector<std::string>& cells) {
  constexpr int widths[] = {12, 13, 9, 9, 8, 9, 9, 8};
  for (std::size_t i = 0; i < cells.size(); ++i)
    if (i < std::size(widths))
      std::cout << std::setw(widths[i]) << cells[i] << "  ";
    else
      std::cout << cells[i];
  std::cout << '\n';
}

void print(const Sweep& sweep) {
  std::cout << '\n' << name(sweep.architecture) << ", batch " << sweep.batch << " of 32 x 32\n";
  print_line({"modes", "", "MB", "", "", "ms", "", "", ""});
  print_line({"", "", "predicted", "measured", "off", "predicted", "measured", "off", "layers"});
  const auto percent = [](double share) { return fixed(100 * share, 1) + " %"; };
  const auto time = [](double seconds) { return fixed(1000 * seconds, 0); };
  for (const Variant& variant : sweep.by_hand)
    print_line({variant.label, "", fixed(megabytes(variant.plan.peak_bytes), 1),
                fixed(megabytes(variant.peak_bytes), 1), percent(variant.peak_error()), "",
                time(variant.seconds), "", ""});
  for (const Variant& variant : sweep.planned)
    print_line({"plan for", variant.label, fixed(megabytes(variant.plan.peak_bytes), 1),
                fixed(megabytes(variant.peak_bytes), 1), percent(variant.peak_error()),
                time(sweep.slowdown * variant.plan.seconds), time(variant.seconds),
                percent(variant.time_error(sweep.slowdown)), modes(variant.plan)});
  std::cout << "Predicted times are multiplied by the slowdown of stored steps since layer timing, "
            << fixed(sweep.slowdown, 2) << ".\n";
}

nlohmann::ordered_json json(const Variant& variant) {
  nlohmann::ordered_json object{{"label", variant.label},
                                {"peak_bytes_predicted", variant.plan.peak_bytes},
                                {"peak_bytes", variant.peak_bytes},
                                {"seconds", variant.seconds}};
  if (!variant.budget) return object;
  object["budget"] = *variant.budget;
  object["seconds_predicted"] = variant.plan.seconds;
  for (const retrace::PlannedLayer& layer : variant.plan.layers)
    object["modes"].push_back(mode_name(layer));
  return object;
}

nlohmann::ordered_json json(const Sweep& sweep) {
  nlohmann::ordered_json object{
      {"arch", name(sweep.architecture)}, {"batch", sweep.batch}, {"slowdown", sweep.slowdown}};
  for (const Variant& variant : sweep.by_hand) object["by_hand"].push_back(json(variant));
  for (const Variant& variant : sweep.planned) object["planned"].push_back(json(variant));
  return object;
}

/// Draws peak against time, one panel per network.
void draw(std::ostream& out, const std::vector<Sweep>& sweeps) {
  std::vector<benchmark::Plot> plots;
  for (const Sweep& sweep : sweeps) {
    benchmark::Plot plot{
        std::string(name(sweep.architecture)) + ", batch " + std::to_string(sweep.batch),
        {"peak memory of a step, MB"},
        {"time of a step, ms"},
        {}};
    benchmark::Series measured{"planned, measured"}, predicted{"planned, predicted"};
    predicted.dots = false;
    predicted.dashed = true;
    predicted.colour = 0;
    for (const Variant& variant : sweep.planned) {
      measured.add(megabytes(variant.peak_bytes), 1000 * variant.seconds);
      predicted.add(megabytes(variant.plan.peak_bytes),
                    1000 * sweep.slowdown * variant.plan.seconds);
    }
    plot.series = {measured, predicted};
    std::size_t colour = 1;
    for (const Variant& variant : sweep.by_hand) {
      benchmark::Series point{variant.label};
      point.line = false;
      point.colour = colour++;
      point.add(megabytes(variant.peak_bytes), 1000 * variant.seconds);
      plot.series.push_back(std::move(point));
    }
    plots.push_back(std::move(plot));
  }
  draw_plots(out, "Time against memory: one mode for all layers, and plans for budgets",
             "32 x 32 images, all memory of a step; evenly spaced budgets", plots);
}

/// Prints one line per check. Returns whether all passed.
bool check(const Sweep& sweep) {
  double peak = 0, time = 0, behind = 0;
  for (const Variant& variant : sweep.planned) {
    peak = std::max(peak, variant.peak_error());
    time = std::max(time, variant.time_error(sweep.slowdown));
    if (const Variant* best = sweep.best_by_hand(*variant.budget))
      behind = std::max(behind, variant.seconds / best->seconds - 1);
  }
  bool passed = true;
  const auto add = [&](const std::string& what, double value, double limit) {
    passed = passed && value <= limit;
    std::cout << (value <= limit ? "pass  " : "FAIL  ") << name(sweep.architecture) << ": " << what
              << ' ' << fixed(100 * value, 1) << " %, at most " << fixed(100 * limit, 0) << " %\n";
  };
  add("error of the predicted peak", peak, peak_limit);
  add("error of the predicted time", time, time_limit);
  add("slowdown of a plan compared with the best uniform mode that fits", behind, slower_limit);
  return passed;
}

int run(const Options& options) {
  std::ofstream json_file = benchmark::create(options.json), svg = benchmark::create(options.svg);
  std::vector<Sweep> sweeps;
  for (retrace::Architecture architecture : options.architectures) {
    sweeps.push_back(sweep(architecture, options.sweep));
    print(sweeps.back());
  }
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Sweep& each : sweeps) all.push_back(json(each));
  if (json_file.is_open()) json_file << all.dump(2) << '\n';
  if (svg.is_open()) draw(svg, sweeps);
  bool passed = true;
  if (options.check) {
    std::cout << '\n';
    for (const Sweep& each : sweeps) passed = check(each) && passed;
  }
  return passed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::map<std::string, retrace::Architecture> names;
  for (retrace::Architecture each : retrace::all_architectures) names.emplace(name(each), each);
  CLI::App app("Measures time against memory of a training step: uniform modes and plans.");
  app.add_option("--arch", options.architectures, "Networks (default: resnet, revnet and hybrid)")
      ->transform(CLI::CheckedTransformer(names).description(""))
      ->type_name("NAME")
      ->default_str("");
  app.add_option("--batch", options.sweep.batch, "Images per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--budgets", options.sweep.budgets, "Number of budgets to plan for")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--steps", options.sweep.steps, "Timed steps per variant")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", options.sweep.threads, "Threads; 0 means one per processor")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--check", options.check, "Compare with the limits; exit with 1 if one is exceeded");
  app.add_option("--json", options.json, "Write JSON")->type_name("FILE");
  app.add_option("--svg", options.svg, "Draw a chart")->type_name("FILE");
  CLI11_PARSE(app, argc, argv);
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  }
}
