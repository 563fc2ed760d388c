// Noise that a flow draws, to make integers continuous.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "retrace/core/prior.hpp"
#include "retrace/layer/condition.hpp"
#include "retrace/layer/dequantisation.hpp"
#include "retrace/layer/element_map.hpp"
#include "retrace/layer/flow_coupling.hpp"
#include "retrace/layer/log_det.hpp"
#include "retrace/net/chain.hpp"
#include "retrace/net/flow_parts.hpp"

namespace retrace::inline RETRACE_ISA {

/// y = (v + u)/bins with u = q(ε; v), ε normal, for integers v = x·bins: a second flow q draws the
/// noise, so the bound on the log-probability is tighter than with uniform noise (Ho et al. 2019,
/// §3.1).
///
/// Shapes    any [N,H,W,C]; x holds integers from 0 to bins − 1, divided by bins. q maps it to
/// itself,
///           into (0, 1), and reads x as its condition.
/// Inverse   x = ⌊y·bins⌋/bins.
/// Backward  dx = 0, as v is an integer. q runs once more from the same ε; then du = dy/bins.
/// Log-det   −log q(u | v) = −log N(ε) + log|det ∂u/∂ε|.
/// Stores    the number of the step, from which ε is drawn again.
template <class T, Device D>
class VariationalDequantisation {
 public:
  using State = Tensor<T, D>;
  using Gradient = State;

  /// @param noise      q: a flow whose last layer is a Sigmoid
  /// @param condition  that of q, which is set here
  VariationalDequantisation(Chain<T, D> noise, SharedCondition<T, D> condition, double bins = 256,
                            std::uint64_t seed = 1)
      : noise_(std::move(noise)), condition_(std::move(condition)), bins_(bins), seed_(seed) {
    require_bins("VariationalDequantisation", bins);
    if (!condition_)
      throw std::invalid_argument("VariationalDequantisation: the condition must not be null");
  }

  /// @throws ShapeError if q changes the shape of x.
  Shape output_shape(Shape x) const {
    require_same_shape("VariationalDequantisation", "x", x, "the output of the noise",
                       noise_.output_shape(x));
    return x;
  }

  void forward(State& x, Run run, LogDet<D>* log_det = nullptr) {
    if (run.statistics == Statistics::batch && run.update_running && !x.device().dry()) ++step_;
    run_ = run;
    LogDet<D> of_noise(x.device(), x.shape().n);
    set_condition(x, run.statistics == Statistics::recorded);
    State u = drawn(x, &of_noise);
    noise_.forward(u, preview(run), log_det);
    if (log_det) add(log_det->value.view(), std::as_const(of_noise.value).view(), Store::subtract);
    add_noise_of_bins(x.view(), std::as_const(u).view(), bins_);
  }
  void inverse(State& y, Run, LogDet<D>* = nullptr) { remove_bin_noise(y.view(), bins_); }
  void backward(State& y, Gradient& dy, const LogDet<D>* log_det = nullptr) {
    require_same_shape("VariationalDequantisation", "y", y.shape(), "dy", dy.shape());
    remove_bin_noise(y.view(), bins_);
    Run again = run_;
    again.keep = true;
    again.update_running = false;
    set_condition(y, /*again=*/true);
    State u = drawn(y, nullptr);
    noise_.forward(u, again);
    scale(dy.view(), 1 / bins_);
    noise_.backward(u, dy, log_det);
    fill(dy.view(), T(0));
  }

  void require_log_det() const { noise_.require_log_det(); }
  static constexpr bool reads_output() { return true; }
  template <class V>
  void inside(V visit) {
    visit("noise", noise_);
    visit("step", step_);
  }

 private:
  /// v/bins − 1/2.
  /// @param again  of the pass that has set it before
  void set_condition(const State& x, bool again) {
    State centred = clone(x);
    State half(x.device(), x.shape(), Use::workspace);
    fill(half.view(), T(0.5));
    add(centred.view(), std::as_const(half).view(), Store::subtract);
    if (again)
      condition_->set_again(std::move(centred));
    else
      condition_->set(std::move(centred));
  }
  /// ε of this step; `density` gets log N(ε) of each image unless it is null.
  State drawn(const State& x, LogDet<D>* density) const {
    State epsilon(x.device(), x.shape());
    const std::uint64_t step = run_.statistics == Statistics::running ? 0 : step_;
    Random random(seed_, substream("dequantisation"), step << 32);
    std::vector<double> values(static_cast<std::size_t>(x.device().dry() ? 0 : x.shape().size()));
    for (double& value : values) value = random.normal();
    set_from_host(epsilon.view(), values);
    if (density) {
      State unused(x.device(), x.shape(), Use::workspace);
      prior_log_density(density->value.view(), unused.view(), std::as_const(epsilon).view(),
                        Prior::normal, 0);
    }
    return epsilon;
  }

  Chain<T, D> noise_;
  SharedCondition<T, D> condition_;
  double bins_;
  std::uint64_t seed_, step_ = 0;
  Run run_ = training;
};

/// Options of variational_dequantisation().
struct VariationalOptions {
  Index channels = 3;  ///< of the images
  double bins = 256;   ///< values of an element
  int couplings = 4;   ///< of the flow that draws the noise
  Index width = 32;    ///< channels inside the branches of its couplings
  std::uint64_t seed = 1;
};

/// Returns the layer with a small flow for the noise: affine couplings on checkerboards that read
/// the image, then a sigmoid.
///
///     Chain<float, Cpu> net;
///     net.add("noise", variational_dequantisation<float>(device, {.channels = 1}));
///     net.add(glow<float>(device, {.channels = 1}));
/// @throws std::invalid_argument unless all numbers are positive, and as the layer does.
template <class T, Device D>
VariationalDequantisation<T, D> variational_dequantisation(D& device,
                                                           const VariationalOptions& options = {}) {
  constexpr const char* name = "variational_dequantisation";
  require_positive(name, "channels", options.channels);
  require_positive(name, "couplings", options.couplings);
  require_positive(name, "width", options.width);
  FlowParts<T, D> make(device, options.seed);
  auto condition = std::make_shared<Condition<T, D>>();
  Chain<T, D> noise;
  for (int i = 0; i < options.couplings; ++i) {
    auto branch = make.image_branch(2 * options.channels, options.width, 2 * options.channels);
    noise.add("coupling" + std::to_string(i),
              FlowCoupling(Conditioned(std::move(branch), condition, options.channels),
                           maps::Affine{}, {.mapped = i % 2 == 0 ? Pixels::even : Pixels::odd}));
  }
  noise.add("sigmoid", ElementMap<T, D, maps::Sigmoid>());
  return {std::move(noise), std::move(condition), options.bins, options.seed};
}

}  // namespace retrace::inline RETRACE_ISA
