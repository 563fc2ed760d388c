// Measures the gradient of a differential equation: steps per second in both modes, memory, and the
// exactness of the way back.
//
//   ode                     field 64-128-64 with tanh, batch 64, 1,000 steps, float
//   ode --steps 10000 --batch 2 --channels 8 --hidden 16 --double
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <string>
#include <vector>

#include "retrace/cpu/operations.hpp"
#include "retrace/layer/linear.hpp"
#include "retrace/layer/smooth.hpp"
#include "retrace/ode/ode_block.hpp"
#include "support/statistics.hpp"
#include "support/table.hpp"

using namespace retrace;

namespace {

struct Problem {
  Index channels = 64, hidden = 128, batch = 64, steps = 1000, turns = 3;
  int threads = 2;
  bool in_double = false, stored = true;
  double end = 1;
};

/// One method in one mode, with the results of its last pass.
template <class T>
class Subject {
 public:
  Subject(const Problem& problem, OdeMethod method, Mode mode)
      : device_(problem.threads),
        problem_(problem),
        block_(
            field(),
            {.method = method, .end = problem.end, .steps = problem.steps, .least_decibels = 0}) {
    block_.on_mode(mode);
  }

  void pass() {
    Random random(2);
    const Shape shape{problem_.batch, 1, 1, problem_.channels};
    Tensor<T, Cpu> x(device_, shape), dy(device_, shape, Use::gradient);
    he_normal(x, 2, random);
    he_normal(dy, 2, random);
    const Tensor<T, Cpu> before = clone(x);
    ParameterList<T, Cpu> list;
    inside::collect(block_, "", list);
    list.zero_gradients();
    device_.memory().restart_peak();
    const auto held = device_.memory().live().total();
    const auto start = std::chrono::steady_clock::now();
    block_.forward(x, training);
    block_.backward(x, dy);
    seconds_.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    peak_ = device_.memory().peak().total() - held;
    error_ = signal_noise(before.view(), x.view()).relative_error();
    const auto& gradient = list.parameters[0].parameter->gradient;
    gradient_.assign(gradient.data(), gradient.data() + gradient.shape().size());
  }

  double seconds() const { return benchmark::median(seconds_); }
  std::size_t peak() const { return peak_; }
  double way_back_error() const { return error_; }
  const std::vector<double>& gradient() const { return gradient_; }

 private:
  StageSequence<T, Cpu> field() {
    Random random(1);
    StageSequence<T, Cpu> field;
    field.add("linear0", Linear<T, Cpu>(device_, problem_.channels, problem_.hidden, random, 0.7));
    field.add("tanh", Tanh<T, Cpu>());
    field.add("linear1", Linear<T, Cpu>(device_, problem_.hidden, problem_.channels, random, 0.7));
    return field;
  }

  Cpu device_;
  const Problem& problem_;
  OdeBlock<T, Cpu> block_;
  std::vector<double> seconds_;
  std::size_t peak_ = 0;
  double error_ = 0;
  std::vector<double> gradient_;
};

double relative_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double distance = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    distance += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(distance / size);
}

std::string in_powers(double value) { return short_text(value); }

/// Both modes of a method, alternating, so that other load affects both equally.
template <class T>
benchmark::Line measure(const Problem& problem, OdeMethod method) {
  Subject<T> reversible(problem, method, Mode::reversible), stored(problem, method, Mode::stored);
  for (Index turn = 0; turn < problem.turns; ++turn) {
    reversible.pass();
    if (problem.stored) stored.pass();
  }
  const auto steps = static_cast<double>(problem.steps);
  benchmark::Line line{std::string(name(method)), benchmark::fixed(steps / reversible.seconds(), 0),
                       format_bytes(static_cast<double>(reversible.peak())),
                       in_powers(reversible.way_back_error())};
  if (!problem.stored) return line;
  line.push_back(benchmark::fixed(steps / stored.seconds(), 0));
  line.push_back(format_bytes(static_cast<double>(stored.peak())));
  line.push_back(benchmark::fixed(reversible.seconds() / stored.seconds(), 2));
  line.push_back(in_powers(relative_distance(reversible.gradient(), stored.gradient())));
  return line;
}

}  // namespace

int main(int count, char** arguments) {
  CLI::App app("Measures gradients of a differential equation by reversible methods.", "ode");
  Problem problem;
  app.add_option("--channels", problem.channels, "of the state (64)")->check(CLI::PositiveNumber);
  app.add_option("--hidden", problem.hidden, "units of the field (128)")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", problem.batch, "states side by side (64)")->check(CLI::PositiveNumber);
  app.add_option("--steps", problem.steps, "of equal size (1000)")->check(CLI::PositiveNumber);
  app.add_option("--end", problem.end, "time of the last one (1)")->check(CLI::PositiveNumber);
  app.add_option("--turns", problem.turns, "passes of each mode (3)")->check(CLI::PositiveNumber);
  app.add_option("--threads", problem.threads, "of the processor (2)")->check(CLI::PositiveNumber);
  app.add_flag("--double", problem.in_double, "compute in double, not in float");
  bool reversible_only = false;
  app.add_flag("--reversible-only", reversible_only, "skip mode stored, whose memory grows");
  CLI11_PARSE(app, count, arguments);
  problem.stored = !reversible_only;
  benchmark::Line head{"method", "steps/s", "memory", "way back"};
  if (problem.stored)
    head.insert(head.end(), {"stored steps/s", "stored memory", "time ratio", "gradient"});
  std::vector<benchmark::Line> lines{head};
  for (OdeMethod method : all_ode_methods)
    lines.push_back(problem.in_double ? measure<double>(problem, method)
                                      : measure<float>(problem, method));
  benchmark::print_lines(std::cout, lines, 1, benchmark::TableStyle::markdown);
}
