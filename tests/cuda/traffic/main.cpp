// The bytes that kernels move compared with the least, and the least time of a step on some GPUs,
// from the emulator's counts and dry runs. Checks the limit of the fused kernels.
#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>

#include "cuda/traffic/operations.hpp"
#include "cuda/traffic/steps.hpp"
#include "support/table.hpp"

using namespace benchmark;
using namespace retrace::test;

namespace {

constexpr double most_of_fused = 1.15;

constexpr const char* usage =
    "usage: cuda_traffic [--write FILE | --check FILE]\n"
    "Prints the document, writes it, or says whether a file is what it would write. Exits 1 if "
    "that\n"
    "differs or a fused kernel moves more than 1.15 times the least, 2 for a wrong option.\n";

std::string gigabytes(double bytes) { return fixed(bytes / 1e9, 2); }

constexpr const char* operations_text = R"(# Bytes moved by the CUDA backend

Use this page to judge how close each operation is to the least possible memory traffic.
`build/tests/cuda_traffic --write docs/cuda_traffic.md` writes it, and a test repeats its counts.
Nothing here was measured on a GPU: the emulator counted the bytes, and times are estimates.

## Operations

In float, on [8,16,16,32], packed or as one half of 64 channels. Softmax: 256 rows of 10.

- **Least**: every element is read and written once, as a dry run counts. Poolings that permute go
  through a copy, which is counted.
- **Moved**: 32-byte sectors, each once per launch and direction. Fused kernels must move at most
  1.15 times the least.
- **Requested**: by the loads and stores of all threads. Elements that many threads read, such as
  the numbers of their channels, count many times; caches serve them.

)";

constexpr const char* steps_text = R"(
## Steps

A training step with its update on 256 images of 32 x 32 in float, the paper's networks, by a dry
run. The table has the bytes of all passes, and the least bytes of convolutions and products: their
operands once each. Copies for a library's convolution (a normalised input, reordered weights) are
not counted.

)";

constexpr const char* roofline_text = R"(
## Roofline: an estimate

**An estimate, not a measurement**: milliseconds of such a step. Every operation takes its bytes at
the full bandwidth of memory or its multiply-adds at the full rate of float32, whichever is longer.
A real step takes longer: launches cost time, and convolutions reach only a part of the peak.

)";

void write_operations(std::ostream& out, const std::vector<OperationTraffic>& all) {
  out << operations_text;
  std::vector<Line> lines{
      {"operation", "operands", "fused", "least, KiB", "moved / least", "requested / least"}};
  for (const OperationTraffic& each : all)
    lines.push_back({each.name, each.layout, each.fused ? "yes" : "", fixed(each.least / 1024, 0),
                     fixed(each.moved / each.least, 3), fixed(each.asked / each.least, 3)});
  print_lines(out, lines, 3, TableStyle::markdown);
}

void write_steps(std::ostream& out, const std::vector<StepWork>& steps) {
  out << steps_text;
  std::vector<Line> lines{{"network", "mode", "Gmultiply-adds", "GB of products", "GB of passes",
                           "GB in all", "MB/image"}};
  for (const StepWork& step : steps) {
    const double bytes = step.products.bytes + step.passes.bytes;
    lines.push_back({step.network, step.mode, fixed(step.products.multiply_adds / 1e9, 1),
                     gigabytes(step.products.bytes), gigabytes(step.passes.bytes), gigabytes(bytes),
                     fixed(bytes / step.images / 1e6, 1)});
  }
  print_lines(out, lines, 2, TableStyle::markdown);
}

void write_roofline(std::ostream& out, const std::vector<StepWork>& steps) {
  out << roofline_text;
  std::vector<Line> lines{{"network", "mode"}};
  for (const Machine& machine : machines) lines[0].push_back(machine.name);
  for (const StepWork& step : steps) {
    if (step.network != "revnet" && step.network != "hybrid") continue;
    Line line{step.network, step.mode};
    for (const double seconds : step.seconds) line.push_back(fixed(seconds * 1e3, 1));
    lines.push_back(line);
  }
  print_lines(out, lines, 2, TableStyle::markdown);
}

/// Prints the fused operations that move too much. Returns whether there are none.
bool keep_limit(const std::vector<OperationTraffic>& all) {
  bool keep = true;
  for (const OperationTraffic& each : all)
    if (each.fused && each.moved > most_of_fused * each.least) {
      std::cerr << each.name << " (" << each.layout << ") moves "
                << fixed(each.moved / each.least, 3) << " times the least\n";
      keep = false;
    }
  return keep;
}

std::string content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

int main(int argc, char** argv) {
  const std::string option = argc > 1 ? argv[1] : "";
  if (argc != 1 && (argc != 3 || (option != "--write" && option != "--check"))) {
    std::cerr << usage;
    return 2;
  }
  const auto operations = measure_operations();
  const auto steps = measure_steps();
  std::ostringstream document;
  write_operations(document, operations);
  write_steps(document, steps);
  write_roofline(document, steps);
  bool good = keep_limit(operations);
  if (argc == 1) std::cout << document.str();
  if (option == "--write") {
    std::ofstream file(argv[2]);
    file << document.str();
    good = good && file.flush().good();
  }
  if (option == "--check" && content(argv[2]) != document.str()) {
    std::cerr << argv[2] << " differs from the output of --write\n";
    good = false;
  }
  return good ? 0 : 1;
}
