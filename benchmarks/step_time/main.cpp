// How long a training step takes.
//
//   build/benchmarks/step_time --serve      answers requests (see serve.hpp)
#include <CLI/CLI.hpp>
#include <iostream>

#include "serve.hpp"

int main(int argc, char** argv) {
  CLI::App app("How long a training step takes.");
  int threads = 0;
  bool answer = false;
  app.add_option("--threads", threads, "0: as many as OpenMP takes")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_flag("--serve", answer, "Answer requests, a line of JSON each, from standard input");
  CLI11_PARSE(app, argc, argv);
  step_time::serve(std::cin, std::cout, threads);
}
