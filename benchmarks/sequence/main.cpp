// Measures matrix products and attention of the shapes of transformers, on one thread, against the
// most multiply-adds that registers allow.
//
//   sequence                  512 and 2,048 positions
//   sequence --positions 8192
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "retrace/cpu/attention.hpp"
#include "retrace/cpu/matmul.hpp"
#include "retrace/math/philox.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

using namespace retrace;

namespace {

/// Returns the processor time of this process, which other load affects little.
double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// The least time of several runs, in seconds.
double least_seconds(const std::function<void()>& run) {
  double least = 1e9;
  for (int turn = 0; turn < 7; ++turn) {
    const double start = processor_seconds();
    run();
    least = std::min(least, processor_seconds() - start);
  }
  return least;
}

/// 10⁹ operations a second, two for each multiply-add of twelve independent registers.
double peak() {
  constexpr int W = cpu::lanes<float>, registers = 12, turns = 1000000;
  volatile float less_than_one = 0.999f, used = 0;
  const double seconds = least_seconds([&] {
    const float factor = less_than_one;
    cpu::Block<float, W> sums[registers];  // in registers, as nothing else refers to them
#pragma GCC unroll 12
    for (int i = 0; i < registers; ++i) sums[i] = cpu::Block<float, W>{} + static_cast<float>(i);
    for (int turn = 0; turn < turns; ++turn)
#pragma GCC unroll 12
      for (int i = 0; i < registers; ++i) sums[i] = sums[i] * factor + factor;
#pragma GCC unroll 12
    for (int i = 0; i < registers; ++i) used = used + sums[i][0];
  });
  return 2e-9 * W * registers * turns / seconds;
}

class Report {
 public:
  explicit Report(double most) : most_(most) {}

  void add(const std::string& name, double multiply_adds, const std::function<void()>& run) {
    const double rate = 2e-9 * multiply_adds / least_seconds(run);
    lines_.push_back({name, benchmark::fixed(rate, 1), benchmark::fixed(100 * rate / most_, 0)});
  }
  void print() const {
    benchmark::print_lines(std::cout, lines_, 1, benchmark::TableStyle::markdown);
  }

 private:
  double most_;
  std::vector<benchmark::Line> lines_{{"operation", "GFLOP/s", "% of the peak"}};
};

Tensor<float, Cpu> noise(Cpu& device, Shape shape) {
  Tensor<float, Cpu> x(device, shape);
  Random random(1);
  for (Index i = 0; i < shape.size(); ++i) x.data()[i] = static_cast<float>(random.normal());
  return x;
}

void measure_product(Report& report, Cpu& device, Index m, Index k, Index n, Factor of_a,
                     Factor of_b) {
  const auto shape = [](Index rows, Index columns, Factor f) {
    return f == Factor::plain ? Shape{1, 1, rows, columns} : Shape{1, 1, columns, rows};
  };
  const auto a = noise(device, shape(m, k, of_a)), b = noise(device, shape(k, n, of_b));
  Tensor<float, Cpu> y(device, {1, 1, m, n});
  const std::string name = std::to_string(m) + " x " + std::to_string(k) + " x " +
                           std::to_string(n) +
                           (of_a == Factor::transposed   ? ", gradient of weights"
                            : of_b == Factor::transposed ? ", gradient of inputs"
                                                         : "");
  report.add(name, static_cast<double>(m * k * n),
             [&] { matmul(y.view(), a.view(), of_a, b.view(), of_b); });
}

void measure_attention(Report& report, Cpu& device, Index t, Index heads) {
  const Shape shape{1, 1, t, 256};
  const auto q = noise(device, shape), k = noise(device, shape), v = noise(device, shape),
             dy = noise(device, shape);
  Tensor<float, Cpu> y(device, shape), lse(device, with_channels(shape, heads)), dq(device, shape),
      dk(device, shape), dv(device, shape);
  const AttentionTerms<Cpu> terms{.heads = heads,
                                  .key_heads = heads,
                                  .causal = true,
                                  .scale = std::sqrt(static_cast<double>(heads) / 256)};
  const double pair_channels = static_cast<double>(t) * static_cast<double>(t + 1) / 2 * 256;
  const std::string name =
      "causal attention, T " + std::to_string(t) + ", " + std::to_string(heads) + " heads";
  const auto forward = [&] {
    attention(y.view(), lse.view(), q.view(), k.view(), v.view(), terms);
  };
  report.add(name, 2 * pair_channels, forward);
  report.add(name + ", with backward", 7 * pair_channels, [&] {
    forward();
    attention_backward(dq.view(), dk.view(), dv.view(), q.view(), k.view(), v.view(), y.view(),
                       lse.view(), dy.view(), terms);
  });
}

}  // namespace

int main(int count, char** arguments) {
  std::vector<Index> lengths{512, 2048};
  if (count == 3 && std::string(arguments[1]) == "--positions" && std::atol(arguments[2]) > 0) {
    lengths = {std::atol(arguments[2])};
  } else if (count > 1) {
    std::cerr << "usage: sequence [--positions NUMBER]\n";
    return EXIT_FAILURE;
  }
  const double most = peak();
  std::cout << "Peak of one thread: " << benchmark::fixed(most, 1) << " GFLOP/s\n\n";
  Cpu device(1);
  Report report(most);
  for (Index t : lengths) {
    for (auto [in, out] : {std::pair<Index, Index>{256, 256}, {256, 1024}, {1024, 256}}) {
      measure_product(report, device, t, in, out, Factor::plain, Factor::plain);
      measure_product(report, device, t, out, in, Factor::plain, Factor::transposed);
      measure_product(report, device, in, t, out, Factor::transposed, Factor::plain);
    }
    for (Index heads : {Index{4}, Index{8}}) measure_attention(report, device, t, heads);
  }
  report.print();
}
