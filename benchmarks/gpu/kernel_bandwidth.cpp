// Measures the bandwidth of memory-bound GPU passes, compared with a copy by the driver.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include "retrace/cuda.hpp"

namespace {

using namespace retrace;

/// An operation, and how often it reads or writes every element of a tensor.
struct Pass {
  std::string name;
  double times;
  std::function<void()> run;
};

/// Returns the seconds of one run: the median of nine rounds of ten.
double seconds_of(Cuda& gpu, const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> rounds;
  run();
  for (int round = 0; round < 9; ++round) {
    gpu.synchronize();
    const auto start = Clock::now();
    for (int i = 0; i < 10; ++i) run();
    gpu.synchronize();
    rounds.push_back(std::chrono::duration<double>(Clock::now() - start).count() / 10);
  }
  std::nth_element(rounds.begin(), rounds.begin() + 4, rounds.end());
  return rounds[4];
}

void measure(Shape shape) {
  Cuda gpu;
  using T = Tensor<float, Cuda>;
  T x(gpu, shape), y(gpu, shape), z(gpu, shape), numbers(gpu, {4, 1, 1, shape.c});
  Tensor<double, Cuda> sums(gpu, {1, 1, 2, shape.c});
  for (T* each : {&x, &y, &z, &numbers}) fill(each->view(), 0.5f);
  fill(sums.view(), 0);
  const auto number = [&](Index i) { return View<const float, Cuda>(numbers.view().images(i, 1)); };
  const ChannelNorm<float, Cuda> norm{number(0), number(1), number(2), number(3)};
  const GradientSums<Cuda> batch{sums.view(), shape.pixels()};
  const Activation leaky = leaky_relu(0.5);
  const auto first = sums.view().channels(0, shape.c);
  auto [left, right] = halves(x.view());

  const std::vector<Pass> passes{
      {"copy", 2, [&] { copy(y.view(), x.view()); }},
      {"add", 3, [&] { add(y.view(), x.view()); }},
      {"add of halves", 1.5, [&, left = left, right = right] { add(left, right); }},
      {"channel_moments", 1, [&] { channel_moments(x.view(), first, first); }},
      {"normalise_activate", 2, [&] { normalise_activate(y.view(), x.view(), norm, leaky); }},
      {"invert_normalise_activate", 2, [&] { invert_normalise_activate(y.view(), norm, leaky); }},
      {"normalise_activate_sums", 2,
       [&] { normalise_activate_sums(sums.view(), x.view(), y.view(), norm, leaky); }},
      {"invert_normalise_activate_sums", 4,
       [&] { invert_normalise_activate_sums(sums.view(), y.view(), z.view(), norm, leaky); }},
      {"normalise_activate_backward", 3,
       [&] {
         normalise_activate_backward(z.view(), x.view(), y.view(), batch, norm, leaky, Store::set);
       }},
      {"update_parameters", 5,
       [&] {
         update_parameter(UpdateTerm{x.view(), y.view(), z.view(), z.view(), 0.0}, 0, Momentum{});
       }},
  };
  const double bytes = static_cast<double>(shape.size()) * sizeof(float);
  const double of_copy = passes[0].times * bytes / seconds_of(gpu, passes[0].run);
  std::cout << gpu.name() << ", float " << to_string(shape) << '\n'
            << std::fixed << std::setprecision(1);
  for (const Pass& pass : passes) {
    const double rate = pass.times * bytes / seconds_of(gpu, pass.run);
    std::cout << std::left << std::setw(34) << pass.name << std::right << std::setw(9) << rate / 1e9
              << " GB/s" << std::setw(7) << 100 * rate / of_copy << " % of the copy\n";
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1) {
    const bool help = std::string(arguments[1]) == "--help";
    (help ? std::cout : std::cerr) << "usage: kernel_bandwidth\nGB/s of memory-bound passes on a "
                                      "GPU, and as a share of a copy.\n";
    return help ? 0 : 2;
  }
  try {
    for (Shape shape : {Shape{256, 32, 32, 32}, Shape{256, 16, 16, 64}, Shape{256, 32, 32, 20}})
      measure(shape);
  } catch (const std::exception& error) {
    std::cerr << "kernel_bandwidth: " << error.what() << '\n';
    return 2;
  }
}
