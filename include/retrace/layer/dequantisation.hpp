// Uniform noise that makes integers continuous.
#pragma once

#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "retrace/layer/layer.hpp"

namespace retrace::inline RETRACE_ISA {

/// Throws std::invalid_argument unless there are from 2 to 65536 bins.
inline void require_bins(const char* where, double bins) {
  if (!(bins >= 2 && bins <= 65536) || bins != std::floor(bins))
    throw std::invalid_argument(std::string(where) +
                                ": bins must be an integer from 2 to 65536, got " +
                                std::to_string(bins));
}

/// y = (v + u)/bins with u uniform in (0, 1), for integers v = x·bins (Uria et al. 2013; Theis et
/// al. 2016, §3.1): the expected log-density of y is a lower bound of the log-probability of x.
///
/// Shapes    any [N,H,W,C]; x holds integers from 0 to bins − 1, divided by bins.
/// Inverse   x = ⌊y·bins⌋/bins.
/// Backward  dx = dy.
/// Log-det   0: −log q(u), and u has density 1.
/// Stores    the seed and the number of the step, from which Philox draws u. Training draws new
///           numbers in every pass, every other run those of step 0.
template <class T, Device D>
class Dequantisation {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;
  static constexpr bool volume_preserving = true;

  /// @throws std::invalid_argument unless bins is an integer from 2 to 65536.
  explicit Dequantisation(double bins = 256, std::uint64_t seed = 1) : bins_(bins), seed_(seed) {
    require_bins("Dequantisation", bins);
  }

  Shape output_shape(Shape x) const { return x; }

  void forward(State& x, Run run) {
    if (run.statistics == Statistics::batch && run.update_running && !x.device().dry()) ++step_;
    add_bin_noise(x.view(), bins_, seed_, run.statistics == Statistics::running ? 0 : step_);
  }
  void inverse(State& y, Run) { remove_bin_noise(y.view(), bins_); }
  void backward(State& y, Gradient& dy) {
    require_same_shape("Dequantisation", "y", y.shape(), "dy", dy.shape());
    remove_bin_noise(y.view(), bins_);
  }

  template <class V>
  void inside(V visit) {
    visit("step", step_);
  }

 private:
  double bins_;
  std::uint64_t seed_, step_ = 0;
};

}  // namespace retrace::inline RETRACE_ISA
