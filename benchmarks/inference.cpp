// Measures how much memory and processor time, on one thread, a network saves if it is built
// without gradients and folded for inference.
//
//   inference                 128 images of 32 x 32 at a time
//   inference --batch 1       a batch of another size
#include "retrace/net/inference.hpp"

#include <array>
#include <cstdlib>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "float_networks.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

using namespace retrace;

namespace {

/// Returns the processor time of this process over all threads, which other load affects little.
double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// A network on its own device with one thread, and the measurements of its passes.
class Subject {
 public:
  Subject(Architecture architecture, bool folded)
      : net_(build<float>(device_, architecture, options(architecture, !folded))) {
    if (folded) fold(net_);
    at_rest_ = device_.memory().live().total();
  }

  void infer(Index batch) {
    Tensor<float, Cpu> x(device_, {batch, 32, 32, 3});
    fill(x.view(), 0.5f);
    const double start = processor_seconds();
    net_.forward(x, inference);
    seconds_.push_back((processor_seconds() - start) / static_cast<double>(batch));
  }

  /// Returns megabytes at rest, megabytes at the peak, and images per second.
  std::array<double, 3> results() {
    return {1e-6 * static_cast<double>(at_rest_),
            1e-6 * static_cast<double>(device_.memory().peak().total()),
            1 / benchmark::median(seconds_)};
  }

 private:
  static NetOptions options(Architecture architecture, bool trains) {
    NetOptions options = paper_options(architecture);
    options.trains = trains;
    return options;
  }

  Cpu device_{1};
  Chain<float, Cpu> net_;
  std::size_t at_rest_;
  std::vector<double> seconds_{};
};

/// Compares both networks, alternating, so that other load affects both equally.
benchmark::Line compare(Architecture architecture, Index batch) {
  Subject before(architecture, false), after(architecture, true);
  const int turns = batch < 16 ? 41 : 7;
  for (int turn = 0; turn < turns; ++turn) {
    before.infer(batch);
    after.infer(batch);
  }
  benchmark::Line line{std::string(name(architecture))};
  const auto was = before.results(), is = after.results();
  for (std::size_t i = 0; i < was.size(); ++i)
    for (const double value : {was[i], is[i]}) line.push_back(benchmark::fixed(value, 0));
  return line;
}

}  // namespace

int main(int count, char** texts) {
  Index batch = 128;
  if (count == 3 && std::string(texts[1]) == "--batch") batch = std::atol(texts[2]);
  if ((count != 1 && count != 3) || batch < 1 || batch > 4096) {
    std::cerr << "usage: inference [--batch N], N from 1 to 4096\n";
    return 2;
  }
  std::vector<benchmark::Line> lines{
      {"network", "MB at rest", "folded", "MB at peak", "folded", "images/s", "folded"}};
  for (Architecture architecture : all_architectures) lines.push_back(compare(architecture, batch));
  benchmark::print_lines(std::cout, lines, 1, benchmark::TableStyle::markdown);
}
