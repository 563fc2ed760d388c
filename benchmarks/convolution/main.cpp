// Measures the speed of convolutions of every network: by this library, oneDNN and Eigen.
//
//   build/benchmarks/convolution                                  all
//   build/benchmarks/convolution --arch revnet --threads 1        of the paper's RevNet
//   build/benchmarks/convolution --channels 16,32,64              of other sizes, on 32 x 32
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <stdexcept>
#include <string>
#include <vector>

#include "report.hpp"
#include "support/files.hpp"

namespace {

using namespace convolution;

struct Options {
  MeasureOptions measure;
  std::vector<int> threads;
  std::vector<std::string> networks;
  std::vector<retrace::Index> channels;
  retrace::Index size = 32;
  bool markdown = false, list = false;
  std::string json;
};

void add_options(CLI::App& app, Options& options) {
  app.add_option("--arch", options.networks,
                 "Comma-separated networks whose convolutions are measured (default: all)")
      ->delimiter(',')
      ->check(CLI::IsMember({"resnet", "revnet", "revnet-32", "irevnet", "layerwise", "hybrid"}))
      ->type_name("NAME,...");
  app.add_option("--channels", options.channels,
                 "Instead: 3 x 3 convolutions with these channel counts, comma-separated")
      ->delimiter(',')
      ->check(CLI::Range(1, 100'000))
      ->type_name("C,...");
  app.add_option("--size", options.size, "Height and width of their images")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--batch", options.measure.batch, "Images per batch")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--threads", options.threads,
                 "Comma-separated thread counts (default: 1 and one per processor)")
      ->delimiter(',')
      ->check(CLI::Range(1, 1024))
      ->type_name("N,...");
  app.add_option("--rounds", options.measure.rounds, "Rounds of each implementation")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_flag("--list", options.list, "Print the convolutions without measuring");
  app.add_flag("--markdown", options.markdown, "Print the table as Markdown");
  app.add_option("--json", options.json,
                 "Write JSON; - writes it to standard output instead of the table")
      ->type_name("FILE");
}

std::vector<UsedShape> chosen_shapes(const Options& options) {
  std::vector<UsedShape> shapes;
  for (retrace::Index channels : options.channels)
    shapes.push_back({{options.size, options.size, channels, channels, 3, 1}, {}});
  if (!shapes.empty()) return shapes;
  for (const UsedShape& used : shapes_of_networks())
    if (options.networks.empty() ||
        std::ranges::find_first_of(used.networks, options.networks) != used.networks.end())
      shapes.push_back(used);
  return shapes;
}

void run(Options options) {
  std::ofstream json = benchmark::create(options.json);
  const std::vector<UsedShape> shapes = chosen_shapes(options);
  if (options.list) {
    for (const UsedShape& each : shapes) std::cout << to_string(each.shape) << '\n';
    return;
  }
  if (options.threads.empty()) {
    options.threads = {1};
    if (const int all = retrace::Cpu().threads(); all > 1) options.threads.push_back(all);
  }
  std::vector<Measurement> measurements;
  for (const UsedShape& each : shapes)
    for (int threads : options.threads) {
      std::cerr << to_string(each.shape) << ", threads: " << threads << '\n';
      measurements.push_back(measure(each, threads, options.measure));
    }

  using benchmark::TableStyle;
  if (options.json != "-")
    print_table(std::cout, measurements,
                options.markdown ? TableStyle::markdown : TableStyle::aligned);
  if (!options.json.empty())
    print_json(options.json == "-" ? std::cout : json, measurements, options.measure);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures the speed of convolutions compared with oneDNN and Eigen.");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  }
}
