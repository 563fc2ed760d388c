#include "measurement.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <limits>

#include "eigen.hpp"
#include "float_networks.hpp"
#include "support/onednn.hpp"
#include "support/peak.hpp"

namespace convolution {

using namespace retrace;
using onednn::Problem;

namespace {

/// This library's pass on its own data.
struct OwnConvolution {
  Problem problem;
  Tensor<float, Cpu> x, w, y;

  OwnConvolution(Cpu& device, const Problem& of)
      : problem(of), x(device, of.x()), w(device, of.w()), y(device, of.y()) {
    for (auto* each : {&x, &w, &y}) fill(each->view(), 0.5f);
  }
  void run() {
    switch (problem.pass) {
      case Pass::forward:
        return conv2d<float>(y.view(), x.view(), w.view(), problem.stride);
      case Pass::input_gradient:
        return conv2d_input_gradient<float>(x.view(), y.view(), w.view(), problem.stride);
      case Pass::weight_gradient:
        return conv2d_weight_gradient<float>(w.view(), x.view(), y.view(), problem.stride);
    }
  }
};

/// Functions in the order of all_implementations; empty if there is no such implementation.
using Runs = std::array<std::function<void()>, all_implementations.size()>;

double seconds_of(const std::function<void()>& run, int times) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < times; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / times;
}

Rates rates(const Runs& runs, const Problem& problem, int rounds) {
  constexpr double shortest = 4e-3;  // seconds per round
  std::array<int, all_implementations.size()> times{};
  std::array<double, all_implementations.size()> least;
  least.fill(std::numeric_limits<double>::infinity());
  for (int round = -1; round < rounds; ++round)
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (!runs[i]) continue;
      if (round >= 0) {
        least[i] = std::min(least[i], seconds_of(runs[i], times[i]));
        continue;
      }
      seconds_of(runs[i], 1);  // one-time initialisation
      times[i] = static_cast<int>(std::ceil(shortest / seconds_of(runs[i], 1)));
    }
  Rates result;
  for (std::size_t i = 0; i < runs.size(); ++i)
    if (runs[i]) result.gflops[i] = 2e-9 * problem.multiply_adds() / least[i];
  return result;
}

}  // namespace

Measurement measure(const UsedShape& used, int threads, const MeasureOptions& options) {
  Cpu device(threads);
  const double before = benchmark::measure_peak(threads);
  Measurement result{used, threads, {}, 0};
  // A linear layer is a convolution of one image whose pixels are the images of the batch.
  const Index images = used.shape.kernel == 1 ? 1 : options.batch;
  for (std::size_t i = 0; i < all_passes.size(); ++i) {
    const ConvShape& shape = used.shape;
    const Problem problem{all_passes[i], images,        shape.height, shape.width,
                          shape.inputs,  shape.outputs, shape.kernel, shape.stride};
    OwnConvolution own(device, problem);
    using benchmark::OneDnn, benchmark::onednn_convolution;
    const Runs runs{[&] { own.run(); }, onednn_convolution(problem, OneDnn::nhwc, threads),
                    onednn_convolution(problem, OneDnn::preferred, threads),
                    onednn_convolution(problem, OneDnn::winograd, threads),
                    eigen_convolution(device, problem)};
    result.passes[i] = rates(runs, problem, options.rounds);
  }
  result.peak = (before + benchmark::measure_peak(threads)) / 2;
  return result;
}

}  // namespace convolution
