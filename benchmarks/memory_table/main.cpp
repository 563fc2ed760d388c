// Every network in every memory mode: the memory and time of a training step, compared with the
// paper.
//
//   build/benchmarks/memory_table                                the table
//   build/benchmarks/memory_table --check --resident             also checks the limits
//   build/benchmarks/memory_table --markdown --svg memory.svg    as the README shows it
//   build/benchmarks/memory_table --device cuda                  the table of a GPU
#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "chart.hpp"
#include "measurement.hpp"
#include "report.hpp"
#include "resident.hpp"
#include "support/files.hpp"
#include "support/options.hpp"

namespace {

using namespace memory_table;

struct Options {
  std::vector<retrace::Architecture> architectures{retrace::all_architectures.begin(),
                                                   retrace::all_architectures.end()};
  MeasureOptions measure;
  bool no_time = false, markdown = false, check = false, resident = false;
  std::string device, json, svg;
};

void add_options(CLI::App& app, Options& options) {
  std::map<std::string, retrace::Architecture> names;
  for (retrace::Architecture each : retrace::all_architectures)
    names.emplace(retrace::name(each), each);

  app.add_option("--arch", options.architectures, "Networks to measure (default: all)")
      ->transform(CLI::CheckedTransformer(names).description(""))
      ->type_name("NAME")
      ->default_str("");
  benchmark::add_size_options(app, options.measure.size);
  benchmark::add_device_option(app, options.device);
  app.add_option("--batch", options.measure.batch, "Images per step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--timed-batch", options.measure.timed_batch, "Images per timed step")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--threads", options.measure.threads, "Threads; 0 means one per processor")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--steps", options.measure.steps, "Timed steps per mode")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_flag("--no-time", options.no_time, "Do not time steps");
  app.add_option("--extent", options.measure.extent, "Height and width of the larger images")
      ->check(CLI::Range(32, 4096))
      ->capture_default_str();
  app.add_option("--measure-up-to", options.measure.measured,
                 "Measure peaks of larger images if predicted to be at most this, such as 8GB")
      ->transform(CLI::AsSizeValue(true))
      ->type_name("SIZE");
  app.add_flag("--resident", options.resident,
               "Compare the growth of the process with the peak, for steps of at least 200 MB");
  app.add_flag(
      "--check", options.check,
      "Compare with the limits (on a GPU only the prediction); exit with 1 if one is exceeded");
  app.add_flag("--markdown", options.markdown, "Print the table as Markdown");
  app.add_option("--json", options.json,
                 "Write JSON; - writes it to standard output instead of the table")
      ->type_name("FILE");
  app.add_option("--svg", options.svg, "Draw a chart")->type_name("FILE");
}

int run(const Options& options) {
  std::ofstream json = benchmark::create(options.json), svg = benchmark::create(options.svg);
  const bool json_on_stdout = options.json == "-";
  std::ostream& out = json_on_stdout ? std::cerr : std::cout;

  std::vector<Residence> residences;  // measured first, in a process without threads
  if (options.resident)
    for (retrace::Architecture architecture : options.architectures)
      std::ranges::move(
          measure_residence(architecture, options.measure.size, options.measure.threads),
          std::back_inserter(residences));
  std::vector<Measurement> measurements;
  for (retrace::Architecture architecture : options.architectures)
    std::ranges::move(measure(architecture, options.measure), std::back_inserter(measurements));

  if (!json_on_stdout)
    print_table(out, measurements, options.markdown ? TableStyle::markdown : TableStyle::aligned);
  if (!residences.empty()) print_residence(out, residences);
  if (!options.json.empty()) print_json(json_on_stdout ? std::cout : json, measurements);
  if (!options.svg.empty()) print_chart(svg, measurements, bytes_by_depth(8, options.measure));
  return !options.check || print_checks(out, checks(measurements, residences)) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Memory and time of a training step, for every network and memory mode.");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  if (options.no_time) options.measure.steps = 0;
  try {
    benchmark::choose_device(app, options.device, argv, {"--threads", "--resident"});
    return run(options);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  }
}
