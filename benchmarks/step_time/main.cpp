// Measures how long a training step takes, and which operations take the time.
//
//   build/benchmarks/step_time                                  the paper's RevNet, reversible
//   build/benchmarks/step_time --arch resnet --mode stored --batch 32 --threads 1
//   build/benchmarks/step_time --scaling --sweep sweep.svg      over threads, batch and depth
//   build/benchmarks/step_time --beside 1                       also next to a busy process
//   build/benchmarks/step_time --device cuda                    on a GPU
//   build/benchmarks/step_time --serve                          answer requests (see serve.hpp)
#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <stdexcept>
#include <string>

#include "report.hpp"
#include "serve.hpp"
#include "support/files.hpp"
#include "support/names.hpp"
#include "support/onednn.hpp"
#include "support/options.hpp"

namespace {

using namespace step_time;

struct Options {
  Subject subject{.threads = 0};
  std::string network = "revnet", device, json, sweep;
  int steps = 5, depth = 6, beside = 0;
  bool scaling = false, onednn = false, serve = false;
};

void add_options(CLI::App& app, Options& options) {
  Subject& subject = options.subject;
  app.add_option("--arch", options.network, "The network")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--mode", subject.mode,
                 "stored, checkpoint, reversible, inverted or chunked (default: the mode that the "
                 "network was designed for)")
      ->type_name("MODE");
  app.add_option("--batch", subject.batch, "Images per step")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--threads", subject.threads, "Threads; 0 means one per processor")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  benchmark::add_size_options(app, subject.net);
  benchmark::add_device_option(app, options.device);
  app.add_flag("--onednn", options.onednn, "Use oneDNN for convolutions if it is faster");
  app.add_option("--steps", options.steps, "Timed steps; a first step is not timed")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_flag("--scaling", options.scaling, "Also measure on fewer threads");
  app.add_option("--beside", options.beside, "Also measure next to this many busy processes")
      ->type_name("N")
      ->check(CLI::Range(1, 1024));
  app.add_option("--sweep", options.sweep, "Also measure over batch and depth, and draw both")
      ->type_name("FILE.svg");
  app.add_option("--depth", options.depth, "Largest number of blocks per level for --sweep")
      ->check(CLI::Range(2, 100))
      ->capture_default_str();
  app.add_option("--json", options.json,
                 "Write JSON; - writes it to standard output instead of the text")
      ->type_name("FILE");
  app.add_flag("--serve", options.serve,
               "Answer requests from standard input, one line of JSON each");
}

/// Returns the subject. Options that are not given are as in the paper.
Subject chosen(const Options& options) {
  Subject subject = options.subject;
  subject.architecture = benchmark::architecture(options.network);
  subject.threads = threads_of(make_device(subject.threads));
  if (subject.mode.empty()) subject.mode = benchmark::modes(subject.architecture).front();
  benchmark::require_mode(subject.architecture, subject.mode);
  subject.net = benchmark::sized(subject.architecture, subject.net);
  return subject;
}

void run(const Options& options) {
  std::ofstream json = benchmark::create(options.json), chart = benchmark::create(options.sweep);
  Results results{.subject = chosen(options)};
  const auto backend = options.onednn ? benchmark::onednn_backend() : nullptr;
  if (options.onednn && !backend)
    throw std::invalid_argument("this build has no oneDNN: configure it with -D RETRACE_ONEDNN=ON");
  results.subject.convolutions = backend.get();
  results.step = measure(results.subject, options.steps);
  if (options.scaling) results.scaling = measure_scaling(results.subject, options.steps);
  if (options.beside > 0)
    results.beside = measure_beside(results.subject, options.beside, options.steps);
  if (!options.sweep.empty()) {
    results.batch = over_batch(results.subject, options.steps);
    results.depth = over_depth(results.subject, options.depth, options.steps);
    print_chart(chart, results);
  }
  if (options.json != "-") print_text(std::cout, results);
  if (!options.json.empty()) print_json(options.json == "-" ? std::cout : json, results);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app("Measures how long a training step takes, and which operations take the time.");
  add_options(app, options);
  CLI11_PARSE(app, argc, argv);
  try {
    benchmark::choose_device(app, options.device, argv,
                             {"--threads", "--onednn", "--scaling", "--beside"});
    if (options.serve)
      serve(std::cin, std::cout, options.subject.threads);
    else
      run(options);
  } catch (const std::exception& error) {
    std::cerr << "error: " << error.what() << '\n';
    return 2;
  }
}
